//! What was promised against what is there, and both against the audit log.

use crate::worker::{Admin, Worker};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Every event, counted by what it is about: (action, agent, token).
struct Events {
    counts: HashMap<(String, String, String), usize>,
    all: usize,
    ids: HashSet<String>,
}

impl Events {
    fn of(admin: &Admin<'_>) -> Self {
        let mut events = Self { counts: HashMap::new(), all: 0, ids: HashSet::new() };
        for event in all(admin, "/audit") {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let about = (text(&event["action"]), text(&event["agentId"]), text(&event["metadata"]["tokenId"]));
            *events.counts.entry(about).or_default() += 1;
            events.ids.insert(text(&event["eventId"]));
            events.all += 1;
        }
        events
    }

    fn count(&self, action: &str, agent: &str, token: &str) -> usize {
        self.counts.get(&(action.to_owned(), agent.to_owned(), token.to_owned())).copied().unwrap_or(0)
    }
}

/// Every item of a list, page by page.
fn all(admin: &Admin<'_>, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin.must("GET", &format!("{path}?limit=100{cursor}"), &Value::Null, 200);
        items.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page["nextCursor"].as_str() else { return items };
        cursor = format!("&cursor={next}");
    }
}

/// Fails unless nothing is lost, nothing is there without its event, and no event without what it tells of. Gives how
/// many changes were acknowledged.
pub fn balance(admin: &Admin<'_>, workers: &[Worker], administrator: &str) -> usize {
    let agents: HashSet<String> =
        all(admin, "/agents").iter().map(|agent| agent["agentId"].as_str().unwrap().to_owned()).collect();
    let events = Events::of(admin);
    let (mut lost, mut orphaned) = (0, 0);
    for worker in workers {
        lost += lost_of(worker, admin, &events, &agents);
        orphaned += orphaned_of(worker, admin, &events);
    }
    let made = agents.iter().filter(|agent| *agent != administrator);
    orphaned += made.filter(|agent| events.count("agent.created", agent, "") != 1).count();
    let told = events.counts.keys().filter(|(action, ..)| action == "agent.created");
    orphaned += told.filter(|(_, agent, _)| !agents.contains(agent)).count();
    let tokens = events.counts.iter().filter(|((_, _, token), _)| !token.is_empty());
    let twice = tokens.filter(|((action, ..), count)| action != "token.introspected" && **count > 1).count();
    let sum = |of: fn(&Worker) -> usize| workers.iter().map(of).sum::<usize>();
    eprintln!(
        "acknowledged {} ({} tokens, {} revocations, {} agents), refused {}, lost {lost}, orphaned {orphaned}, \
         twice {twice}, events {}",
        sum(|worker| worker.acknowledged),
        sum(|worker| worker.tokens.len() + worker.revoked.len()),
        sum(|worker| worker.revoked.len()),
        sum(|worker| worker.registered.len()),
        sum(|worker| worker.refused),
        events.all,
    );
    assert_eq!((lost, orphaned, twice, events.ids.len()), (0, 0, 0, events.all));
    sum(|worker| worker.acknowledged)
}

/// What was acknowledged and is not there.
fn lost_of(worker: &Worker, admin: &Admin<'_>, events: &Events, agents: &HashSet<String>) -> usize {
    let count = |action: &str, token: &str| events.count(action, &worker.agent, token);
    let issued = worker.tokens.iter().chain(&worker.revoked).chain(&worker.perhaps_revoked);
    let without_event = issued.filter(|token| count("token.issued", &token.id) != 1).count();
    let revoked = worker.revoked.iter();
    let risen = revoked.filter(|token| admin.lives(token) || count("token.revoked", &token.id) != 1).count();
    let newest = worker.tokens.iter().rev().take(20);
    let dead = newest.filter(|token| !admin.lives(token)).count();
    let gone = worker.registered.iter().filter(|agent| !agents.contains(*agent)).count();
    without_event + risen + dead + gone
}

/// What was not acknowledged and is there by half: a change without its event, or the reverse.
fn orphaned_of(worker: &Worker, admin: &Admin<'_>, events: &Events) -> usize {
    let count = |action: &str, token: &str| events.count(action, &worker.agent, token);
    let perhaps = worker.perhaps_revoked.iter();
    let halves = perhaps.filter(|token| admin.lives(token) == (count("token.revoked", &token.id) == 1)).count();
    halves
        + worker.updates.abs_diff(count("agent.updated", ""))
        + worker.rotations.abs_diff(count("credential.rotated", ""))
        + count("credential.generated", "").abs_diff(1)
}
