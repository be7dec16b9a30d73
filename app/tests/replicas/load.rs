//! Clients of both servers, who know what they were promised and what must not be said to them.

use crate::pair::{Client, Pair};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

/// What the clients met. Whatever is neither right nor an honest 503 ends the test.
#[derive(Default)]
pub struct Met {
    pub right: AtomicUsize,
    pub unavailable: AtomicUsize,
    /// Milliseconds.
    slowest: AtomicUsize,
}

/// Tokens by what became of them.
#[derive(Default)]
pub struct Ledger {
    alive: Vec<String>,
    revoked: Vec<String>,
}

impl Met {
    /// Notes an answer; whether it is right, and not "I do not know".
    pub fn note(&self, start: Instant, status: u16, right: bool, what: &str) -> bool {
        let took = usize::try_from(start.elapsed().as_millis()).unwrap();
        self.slowest.fetch_max(took, Ordering::Relaxed);
        assert!(right || status == 503, "{what}: {status}");
        let count = if right { &self.right } else { &self.unavailable };
        count.fetch_add(1, Ordering::Relaxed);
        right
    }

    pub fn slowest(&self) -> Duration {
        Duration::from_millis(self.slowest.load(Ordering::Relaxed).try_into().unwrap())
    }
}

impl std::fmt::Display for Met {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        let (right, unavailable) = (count(&self.right), count(&self.unavailable));
        write!(f, "{right} right answers, {unavailable} 503s, wrong 0, slowest {:?}", self.slowest())
    }
}

/// Sends the clients home when it goes, also when what happens fails: else the test would never end.
pub struct End<'a>(pub &'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Lets clients work at both servers while `happens`; gives what they met and what they hold.
pub fn under_load(pair: &Pair, happens: impl FnOnce(&Met)) -> (Met, Vec<Ledger>) {
    let clients: Vec<Client> = (0..4).map(|_| pair.client()).collect();
    let (met, over) = (Met::default(), AtomicBool::new(false));
    let ledgers = scope(|scope| {
        let end = End(&over);
        let (met, over) = (&met, &over);
        let working: Vec<_> = clients
            .iter()
            .enumerate()
            .map(|(number, client)| scope.spawn(move || work(pair, client, number, met, over)))
            .collect();
        happens(met);
        drop(end);
        working.into_iter().map(|work| work.join().unwrap()).collect()
    });
    (met, ledgers)
}

/// Gets tokens at one server, uses and asks about them at the other, and revokes every second.
fn work(pair: &Pair, client: &Client, number: usize, met: &Met, over: &AtomicBool) -> Ledger {
    let mut ledger = Ledger::default();
    let mut turn = number;
    while !over.load(Ordering::SeqCst) {
        turn += 1;
        let (here, there) = (turn % 2, (turn + 1) % 2);
        let start = Instant::now();
        let (status, body) = pair.try_token(here, client);
        if !met.note(start, status, status == 200, "a good client") {
            continue;
        }
        let token = body["access_token"].as_str().unwrap().to_owned();
        let start = Instant::now();
        let status = pair.status(there, &token);
        met.note(start, status, status == 200, "a good token");
        asked(pair, there, &token, true, met);
        if turn % 4 < 2 {
            let start = Instant::now();
            let status = pair.revoke(there, &token);
            // Not answered for: it may be revoked or not.
            if met.note(start, status, status == 200, "a revocation of its own") {
                asked(pair, here, &token, false, met);
                ledger.revoked.push(token);
            }
        } else {
            ledger.alive.push(token);
        }
    }
    ledger
}

fn asked(pair: &Pair, at: usize, token: &str, active: bool, met: &Met) {
    let start = Instant::now();
    let (status, body) = pair.introspect(at, token);
    let right = status == 200 && body["active"] == Value::Bool(active);
    met.note(start, status, right, &format!("a token of which active is {active}: {body}"));
}

/// Fails unless all that was promised is so, at both servers. Gives how many tokens there were.
pub fn settle(pair: &Pair, ledgers: &[Ledger]) -> usize {
    let mut tokens = 0;
    for ledger in ledgers {
        for (list, active) in [(&ledger.alive, true), (&ledger.revoked, false)] {
            for token in list {
                tokens += 1;
                let (status, body) = pair.introspect(tokens % 2, token);
                assert_eq!((status, &body["active"]), (200, &Value::Bool(active)), "what was promised is lost");
            }
        }
    }
    tokens
}
