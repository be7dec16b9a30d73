//! Policies, signers and checks that say what a test wants.

use agentidp_core::domain::ids::TokenId;
use agentidp_core::domain::scope::ScopeSet;
use agentidp_core::domain::token::Claims;
use agentidp_core::ports::biscuits::{
    BiscuitChecks, BiscuitMinter, BiscuitReader, ReadBiscuit, RequestFacts, Undecided,
};
use agentidp_core::ports::custody::{CustodyError, CustodyObserver, Task, TaskKind};
use agentidp_core::ports::policy::{Decided, Decision, Owners, PolicyEngine, PolicyError, PolicyInput, Refusal};
use agentidp_core::ports::tokens::{SignError, TokenSigner, TokenText};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A policy that answers alike whatever is asked; without an answer it fails.
pub struct Says(pub Option<Decision>);

impl Says {
    pub fn always(decision: Decision) -> Arc<Self> {
        Arc::new(Self(Some(decision)))
    }

    pub fn nothing() -> Arc<Self> {
        Arc::new(Self(None))
    }
}

impl PolicyEngine for Says {
    fn decide(&self, _: &PolicyInput) -> Result<Decided, PolicyError> {
        let decision = self
            .0
            .clone()
            .ok_or_else(|| PolicyError { problem: "it met its limit".to_owned(), policy_hash: self.hash() })?;
        Ok(Decided { decision, policy_hash: self.hash() })
    }

    fn hash(&self) -> String {
        "5a".repeat(32)
    }
}

pub fn allowed() -> Decision {
    Decision {
        allow: true,
        reason: "The test says so.".to_owned(),
        owners: Owners::All,
        rule: Some("test_rule".to_owned()),
        refusal: Refusal::Forbidden,
        missing: Vec::new(),
        scopes: None,
    }
}

pub fn refused(refusal: Refusal) -> Decision {
    Decision { allow: false, refusal, owners: Owners::Only(Vec::new()), ..allowed() }
}

/// A signer without a key.
pub struct NoKey;

impl TokenSigner for NoKey {
    fn sign(&self, _: &Claims) -> Result<TokenText, SignError> {
        Err(SignError("no key is active".to_owned()))
    }
}

impl BiscuitMinter for NoKey {
    fn mint(&self, _: &Claims, _: TokenId) -> Result<TokenText, SignError> {
        Err(SignError("no key is active".to_owned()))
    }
}

/// A reader of Biscuits whose checks come to no end.
pub struct Endless(pub Arc<dyn BiscuitReader>);

impl BiscuitReader for Endless {
    fn read(&self, token: &str) -> Option<ReadBiscuit> {
        self.0.read(token).map(|biscuit| ReadBiscuit { checks: Arc::new(EndlessChecks), ..biscuit })
    }

    fn key_set(&self) -> String {
        self.0.key_set()
    }
}

struct EndlessChecks;

impl BiscuitChecks for EndlessChecks {
    fn passing(&self, _: &RequestFacts) -> Result<ScopeSet, Undecided> {
        Err(Undecided)
    }
}

/// A reader of Biscuits whose checks can be run once, and come to no end the next time.
pub struct Once(pub Arc<dyn BiscuitReader>);

impl BiscuitReader for Once {
    fn read(&self, token: &str) -> Option<ReadBiscuit> {
        let read = self.0.read(token)?;
        Some(ReadBiscuit { checks: Arc::new(OnceChecks(AtomicBool::new(false), read.checks)), ..read })
    }

    fn key_set(&self) -> String {
        self.0.key_set()
    }
}

struct OnceChecks(AtomicBool, Arc<dyn BiscuitChecks>);

impl BiscuitChecks for OnceChecks {
    fn passing(&self, facts: &RequestFacts) -> Result<ScopeSet, Undecided> {
        if self.0.swap(true, Ordering::SeqCst) { Err(Undecided) } else { self.1.passing(facts) }
    }
}

/// Remembers what it was told of tasks: their kind, their attempts and, if they were postponed, why.
#[derive(Default)]
pub struct Told(Mutex<Vec<(TaskKind, u32, Option<String>)>>);

impl Told {
    pub fn take(&self) -> Vec<(TaskKind, u32, Option<String>)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl CustodyObserver for Told {
    fn done(&self, task: &Task) {
        self.0.lock().unwrap().push((task.kind, task.attempts, None));
    }

    fn postponed(&self, task: &Task, error: &CustodyError) {
        self.0.lock().unwrap().push((task.kind, task.attempts, Some(error.to_string())));
    }
}
