//! Counts what may come in floods — failed authentications, introspections — so that a flood is not a row each.
//!
//! The first of a kind in a minute is written at once; what follows is counted and written as one more event when the
//! minute is over. What is only counted may be lost with the process.

use crate::domain::audit::AuditEvent;
use crate::domain::ids::EventId;
use crate::domain::json::Json;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Most kinds that are told apart within a minute; what comes beyond is counted together.
const MAX_KINDS: usize = 10_000;

/// What makes two events of one kind, beside their action.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Kind(Vec<String>);

impl Kind {
    /// A kind of the given marks.
    pub fn of<T: ToString>(marks: impl IntoIterator<Item = T>) -> Self {
        Self(marks.into_iter().map(|mark| mark.to_string()).collect())
    }
}

struct Counted {
    minute: i64,
    last: AuditEvent,
    more: i64,
}

/// The counts of the present minute.
#[derive(Default)]
pub struct Tally {
    counts: Mutex<HashMap<Kind, Counted>>,
}

impl Tally {
    /// Notes an event. What it gives back is to be written now: the event itself if it is the first of its kind in
    /// this minute, and before it the count of the last minute, with the id `spare`.
    pub fn note(&self, kind: Kind, event: AuditEvent, spare: EventId) -> Vec<AuditEvent> {
        let minute = minute_of(&event);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = if counts.len() >= MAX_KINDS && !counts.contains_key(&kind) { Kind::default() } else { kind };
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

    /// The counts of minutes that are over at `minute` (minutes since the epoch), as events to write.
    pub fn due(&self, minute: i64, mut new_id: impl FnMut() -> EventId) -> Vec<AuditEvent> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let over: Vec<Kind> =
            counts.iter().filter(|(_, counted)| counted.minute < minute).map(|(kind, _)| kind.clone()).collect();
        over.iter().filter_map(|kind| counts.remove(kind)?.summary(new_id())).collect()
    }
}

impl Counted {
    /// The last event of the minute with the number of those that it stands for; none if the first was the only one.
    fn summary(self, id: EventId) -> Option<AuditEvent> {
        let more = self.more;
        (more > 0).then(|| AuditEvent { id, ..self.last }.with([("count", Json::Integer(more))]))
    }
}

fn minute_of(event: &AuditEvent) -> i64 {
    event.timestamp.unix_seconds().div_euclid(60)
}
