//! Clients whose secrets are in Vault, who know which of them work, and an administrator who changes them.

use crate::harness::try_token;
use crate::load::{End, Met};
use crate::pair::{Client, Pair};
use agentidp_core::domain::secret::IssuedSecret;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

/// So many credentials an agent has at once: it may have ten.
const HELD: usize = 4;
/// How long who is told "not now" waits.
const PAUSE: Duration = Duration::from_millis(50);

/// A credential that was acknowledged, as it was last.
pub struct Held {
    pub credential: String,
    pub secret: String,
    /// Rotations that were acknowledged.
    pub rotations: usize,
}

/// What the administrator was promised for one agent.
pub struct Ledger {
    pub agent: String,
    pub alive: Vec<Held>,
    pub revoked: Vec<Held>,
    /// Secrets that others have taken the place of.
    pub replaced: Vec<String>,
}

impl Ledger {
    pub fn new(pair: &Pair) -> Self {
        let Client { id, credential, secret } = pair.client();
        let held = Held { credential, secret, rotations: 0 };
        Self { agent: id, alive: vec![held], revoked: Vec::new(), replaced: Vec::new() }
    }

    /// How many changes it holds.
    pub fn acknowledged(&self) -> usize {
        let all = self.alive.iter().chain(&self.revoked);
        all.map(|held| 1 + held.rotations).sum::<usize>() + self.revoked.len()
    }

    fn path(&self, held: &Held) -> String {
        format!("/agents/{}/credentials/{}", self.agent, held.credential)
    }

    /// A secret of the agent, and what must be said to it: the status, or an honest 503.
    fn says(&self, pair: &Pair, at: usize, secret: &str, status: u16, met: &Met) -> bool {
        let start = Instant::now();
        let (answered, body) = try_token(&pair.urls[at], &self.agent, secret).unwrap();
        met.note(start, answered, answered == status, &format!("{body} to a secret of {status}"))
    }

    fn generate(&mut self, pair: &Pair, at: usize, met: &Met) {
        let start = Instant::now();
        let (status, body) = pair.ask(at, "POST", &format!("/agents/{}/credentials", self.agent), &json!({}));
        if met.note(start, status, status == 201, &format!("{body} to a new credential")) {
            let text = |name: &str| body[name].as_str().unwrap().to_owned();
            let held = Held { credential: text("credentialId"), secret: text("clientSecret"), rotations: 0 };
            // Not looked at before, by any server.
            self.says(pair, 1 - at, &held.secret, 200, met);
            self.alive.push(held);
        }
    }

    /// The oldest one. What is not acknowledged has not happened: the database answers all the time.
    fn rotate(&mut self, pair: &Pair, at: usize, met: &Met) {
        let start = Instant::now();
        let (status, body) = pair.ask(at, "POST", &format!("{}/rotate", self.path(&self.alive[0])), &json!({}));
        if met.note(start, status, status == 200, &format!("{body} to a rotation")) {
            let held = &mut self.alive[0];
            let old = std::mem::replace(&mut held.secret, body["clientSecret"].as_str().unwrap().to_owned());
            held.rotations += 1;
            self.says(pair, at, &old, 401, met);
            self.says(pair, 1 - at, &old, 401, met);
            self.says(pair, at, &self.alive[0].secret, 200, met);
            self.replaced.push(old);
        }
    }

    /// The oldest one, which needs nobody but the database.
    fn revoke(&mut self, pair: &Pair, at: usize, met: &Met) {
        let held = self.alive.remove(0);
        let start = Instant::now();
        let (status, body) = pair.ask(at, "DELETE", &self.path(&held), &Value::Null);
        assert!(met.note(start, status, status == 204, &format!("{body} to a revocation")), "it needs no Vault");
        for at in [at, 1 - at] {
            assert!(self.says(pair, at, &held.secret, 401, met), "what is revoked needs no Vault");
        }
        self.revoked.push(held);
    }

    /// One change after the other until it is over.
    fn change(&mut self, pair: &Pair, mut turn: usize, met: &Met, over: &AtomicBool) {
        while !over.load(Ordering::SeqCst) {
            turn += 1;
            let refused = met.unavailable.load(Ordering::SeqCst);
            match turn % 3 {
                0 if self.alive.len() < HELD => self.generate(pair, turn % 2, met),
                2 if self.alive.len() > 1 => self.revoke(pair, turn % 2, met),
                _ => self.rotate(pair, turn % 2, met),
            }
            if met.unavailable.load(Ordering::SeqCst) > refused {
                sleep(PAUSE);
            }
        }
    }

    /// Every secret that there was, and what must be said to it.
    fn secrets(&self) -> Vec<(&str, u16)> {
        let alive = self.alive.iter().map(|held| (held.secret.as_str(), 200));
        let revoked = self.revoked.iter().map(|held| (held.secret.as_str(), 401));
        let replaced = self.replaced.iter().map(|secret| (secret.as_str(), 401));
        alive.chain(revoked).chain(replaced).collect()
    }
}

/// Lets clients and administrators work at both servers while `happens`; gives what they met where Vault may be needed,
/// and where it is not.
pub fn under_load(pair: &Pair, ledgers: &mut [Ledger], happens: impl FnOnce(&Met)) -> (Met, Met) {
    let known = [pair.client(), pair.client()];
    for client in &known {
        // From here on both servers know the secret for a minute.
        (0..2).for_each(|at| drop(pair.token(at, client)));
    }
    let unknown = pair.client();
    let (met, free, over) = (Met::default(), Met::default(), AtomicBool::new(false));
    scope(|scope| {
        let end = End(&over);
        let (met, free, over) = (&met, &free, &over);
        let mut working: Vec<_> =
            known.iter().map(|client| scope.spawn(move || use_known(pair, client, free, over))).collect();
        let (guessed, unknown) = (&known[0], &unknown);
        working.push(scope.spawn(move || guess(pair, guessed, unknown, (met, free), over)));
        for (number, ledger) in ledgers.iter_mut().enumerate() {
            working.push(scope.spawn(move || ledger.change(pair, number, met, over)));
        }
        happens(met);
        drop(end);
        working.into_iter().for_each(|work| work.join().unwrap());
    });
    (met, free)
}

/// Uses a secret that is known, which needs no Vault: tokens, and questions about them at the other server.
fn use_known(pair: &Pair, client: &Client, free: &Met, over: &AtomicBool) {
    let mut turn = 0;
    while !over.load(Ordering::SeqCst) {
        turn += 1;
        let (here, there) = (turn % 2, (turn + 1) % 2);
        let start = Instant::now();
        let (status, body) = pair.try_token(here, client);
        assert!(free.note(start, status, status == 200, &format!("{body} to a known secret")));
        let token = body["access_token"].as_str().unwrap();
        let start = Instant::now();
        let (status, body) = pair.introspect(there, token);
        let right = status == 200 && body["active"] == Value::Bool(true);
        assert!(free.note(start, status, right, &format!("{body} of a live token")));
    }
}

/// One of the client's credential by its form, so that it has to be compared with the right one.
fn wrong_secret(client: &Client) -> String {
    IssuedSecret::generate(client.credential.parse().unwrap(), || 7).expose().to_owned()
}

/// Tries secrets that are none: of whom Vault need not be asked for, and of a client whose secret no server has seen.
fn guess(pair: &Pair, known: &Client, unknown: &Client, (met, free): (&Met, &Met), over: &AtomicBool) {
    let nobody = uuid::Uuid::new_v4().to_string();
    let tries = [
        (&known.id, wrong_secret(known), free),
        (&nobody, known.secret.clone(), free),
        (&unknown.id, wrong_secret(unknown), met),
    ];
    let mut turn = 0;
    while !over.load(Ordering::SeqCst) {
        turn += 1;
        let (id, secret, met) = &tries[turn % 3];
        let start = Instant::now();
        let (status, body) = try_token(&pair.urls[turn / 3 % 2], id, secret).unwrap();
        let right = met.note(start, status, status == 401, &format!("{body} to a wrong secret"));
        assert!(right || turn % 3 == 2, "what is known needs no Vault");
    }
}

/// Fails unless all that was promised is so, now that Vault is back. Gives how many secrets there are. All are tried at
/// once, for after a Vault that hung each failure takes as long as one did then.
pub fn settle(pair: &Pair, ledgers: &[Ledger]) -> usize {
    let all: Vec<_> =
        ledgers.iter().flat_map(|ledger| ledger.secrets().into_iter().map(move |at| (ledger, at))).collect();
    scope(|scope| {
        for (number, (ledger, (secret, status))) in all.iter().enumerate() {
            scope.spawn(move || {
                let said = ledger.says(pair, number % 2, secret, *status, &Met::default());
                assert!(said, "Vault is back");
            });
        }
    });
    all.len()
}
