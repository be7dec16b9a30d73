//! Counts what may come in floods — failed authentications, introspections — so that a flood is not a row each.
//!
//! The first of a kind in a minute is written at once; what follows is counted and written as one more event when the
//! minute is over. What is only counted may be lost with the process.

use crate::domain::audit::AuditEvent;
use crate::domain::ids::EventId;
use crate::domain::json::Json;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most kinds that are told apart within a minute, of events about an agent; what comes beyond is counted by its action
/// alone, as an event about nobody: its count is of many agents, and none of their owners may take it for its own.
const MAX_KINDS: usize = 10_000;
/// The same of events about nobody. Anyone can make them, so they are few, and leave the others their room.
const MAX_ANONYMOUS_KINDS: usize = 1_000;
/// The member of a count's metadata that says how many events it stands for.
const COUNT: &str = "count";

/// What makes two events of one kind, beside their action.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Kind(Vec<String>);

impl Kind {
    /// A kind of the given marks.
    pub fn of<T: ToString>(marks: impl IntoIterator<Item = T>) -> Self {
        Self(marks.into_iter().map(|mark| mark.to_string()).collect())
    }

    fn beyond(event: &AuditEvent) -> Self {
        Self(vec![event.action.to_string()])
    }
}

fn about_many(event: AuditEvent) -> AuditEvent {
    AuditEvent { agent_id: None, owner: None, actor: None, ip_address: None, user_agent: None, ..event }
        .failed("too_many_kinds")
}

struct Counted {
    minute: i64,
    last: AuditEvent,
    more: i64,
}

/// The counts of the present minute.
#[derive(Default)]
pub struct Tally {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counts: HashMap<Kind, Counted>,
    /// Of events about nobody.
    anonymous: HashMap<Kind, Counted>,
    /// Counts that could not be written yet.
    owed: Vec<AuditEvent>,
}

impl Tally {
    /// Notes an event. What it gives back is to be written now: the event itself if it is the first of its kind in
    /// this minute, and before it the count of the last minute, with the id `spare`.
    pub fn note(&self, kind: Kind, event: AuditEvent, spare: EventId) -> Vec<AuditEvent> {
        let minute = minute_of(&event);
        let mut state = self.state();
        let (counts, room) = state.room(&event);
        let (kind, event) = if counts.len() >= room && !counts.contains_key(&kind) {
            (Kind::beyond(&event), about_many(event))
        } else {
            (kind, event)
        };
        match counts.get_mut(&kind) {
            Some(counted) if counted.minute == minute => {
                counted.more = counted.more.saturating_add(1);
                counted.last = event;
                Vec::new()
            }
            _ => {
                let fresh = Counted { minute, last: event.clone(), more: 0 };
                let before = counts.insert(kind, fresh).and_then(|counted| counted.summary(spare));
                before.into_iter().chain([event]).collect()
            }
        }
    }

    /// Takes back what [`Tally::note`] gave for `kind` and could not be written: the next of the kind is the first
    /// again, and no count is lost.
    pub fn not_noted(&self, kind: &Kind, unwritten: Vec<AuditEvent>, spare: EventId) {
        let mut state = self.state();
        // Beyond the bound it was noted among the others.
        let beyond = unwritten.last().map(Kind::beyond).unwrap_or_default();
        let (counted, anonymous) = (state.counts.remove(kind), state.anonymous.remove(kind));
        let counted = counted.or(anonymous).or_else(|| state.counts.remove(&beyond));
        let counted = counted.and_then(|counted| counted.summary(spare));
        let summaries = unwritten.into_iter().filter(|event| event.metadata.get(COUNT).is_some());
        state.owe(summaries.chain(counted));
    }

    /// Takes back what [`Tally::due`] gave and could not be written: it is due again.
    pub fn still_due(&self, unwritten: Vec<AuditEvent>) {
        self.state().owe(unwritten);
    }

    /// The counts of minutes that are over at `minute` (minutes since the epoch), as events to write. Those that are
    /// due again have new ids, for nobody knows whether a write that failed was made.
    pub fn due(&self, minute: i64, mut new_id: impl FnMut() -> EventId) -> Vec<AuditEvent> {
        let mut state = self.state();
        let owed = std::mem::take(&mut state.owed).into_iter();
        let mut due: Vec<_> = owed.map(|event| AuditEvent { id: new_id(), ..event }).collect();
        let State { counts, anonymous, .. } = &mut *state;
        for counts in [counts, anonymous] {
            let over = counts.extract_if(|_, counted| counted.minute < minute);
            due.extend(over.filter_map(|(_, counted)| counted.summary(new_id())));
        }
        due
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Where an event is counted, and how many kinds have room there.
    fn room(&mut self, event: &AuditEvent) -> (&mut HashMap<Kind, Counted>, usize) {
        match event.agent_id {
            Some(_) => (&mut self.counts, MAX_KINDS),
            None => (&mut self.anonymous, MAX_ANONYMOUS_KINDS),
        }
    }

    fn owe(&mut self, events: impl IntoIterator<Item = AuditEvent>) {
        self.owed.extend(events);
        self.owed.truncate(MAX_KINDS);
    }
}

impl Counted {
    /// The last event of the minute with the number of those that it stands for; none if the first was the only one.
    fn summary(self, id: EventId) -> Option<AuditEvent> {
        let more = self.more;
        (more > 0).then(|| AuditEvent { id, ..self.last }.with([(COUNT, Json::Integer(more))]))
    }
}

fn minute_of(event: &AuditEvent) -> i64 {
    event.timestamp.unix_seconds().div_euclid(60)
}
