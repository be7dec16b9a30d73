#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]
//! The contract of tokens, in every algorithm.

#[path = "support/crypto.rs"]
mod support;

use agentidp_adapters::jwt::{KeyRing, SealingKey, generate};
use agentidp_core::contract::tokens::Parties;
use agentidp_core::domain::key::{SigningAlgorithm, StoredKey};
use agentidp_core::domain::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use support::{HandClock, START_MILLIS};

const ISSUER: &str = "https://idp.example";

/// One of two keys of an algorithm, which all its cases share: RSA keys take long to make.
fn key(algorithm: SigningAlgorithm, number: u8) -> StoredKey {
    static MADE: Mutex<Option<HashMap<(SigningAlgorithm, u8), StoredKey>>> = Mutex::new(None);
    let start = Timestamp::from_unix_millis(START_MILLIS);
    let mut made = MADE.lock().unwrap();
    let made = made.get_or_insert_default().entry((algorithm, number));
    made.or_insert_with(|| generate(algorithm, &sealing(), start, start).unwrap()).clone()
}

fn sealing() -> SealingKey {
    SealingKey::new("key", &[1; 32])
}

fn parties(algorithm: SigningAlgorithm) -> Parties {
    let ring = |issuer: &str, number| {
        let clock = Arc::new(HandClock::default());
        Arc::new(KeyRing::open(&[key(algorithm, number)], &[sealing()], issuer, clock).unwrap())
    };
    let ours = ring(ISSUER, 0);
    Parties {
        issuer: ISSUER.to_owned(),
        signer: ours.clone(),
        verifier: ours,
        other_issuer: ring("https://other.example", 0),
        other_keys: ring(ISSUER, 1),
    }
}

agentidp_core::token_contract!(es256, parties(SigningAlgorithm::Es256));
agentidp_core::token_contract!(eddsa, parties(SigningAlgorithm::EdDsa));
agentidp_core::token_contract!(rs256, parties(SigningAlgorithm::Rs256));
agentidp_core::token_contract!(ps256, parties(SigningAlgorithm::Ps256));
