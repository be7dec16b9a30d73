#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]
//! The contract of tokens, in every algorithm.

#[path = "support/crypto.rs"]
mod support;

use agentidp_adapters::jwt::{KeyRing, SealingKey, generate};
use agentidp_core::contract::tokens::Parties;
use agentidp_core::domain::key::SigningAlgorithm;
use agentidp_core::domain::time::Timestamp;
use std::sync::{Arc, OnceLock};
use support::{HandClock, START_MILLIS};

const ISSUER: &str = "https://idp.example";

fn ring(
    algorithm: SigningAlgorithm,
    issuer: &str,
    cell: &OnceLock<agentidp_core::domain::key::StoredKey>,
) -> Arc<KeyRing> {
    let sealing = SealingKey::new("key", &[1; 32]);
    let start = Timestamp::from_unix_millis(START_MILLIS);
    let stored = cell.get_or_init(|| generate(algorithm, &sealing, start, start).unwrap()).clone();
    Arc::new(KeyRing::open(vec![stored], &[sealing], issuer, Arc::new(HandClock::default())).unwrap())
}

macro_rules! algorithm {
    ($name:ident, $algorithm:expr) => {
        agentidp_core::token_contract!($name, {
            // RSA keys take long to make, so the cases of one algorithm share two.
            static KEY: OnceLock<agentidp_core::domain::key::StoredKey> = OnceLock::new();
            static OTHER: OnceLock<agentidp_core::domain::key::StoredKey> = OnceLock::new();
            let ours = ring($algorithm, ISSUER, &KEY);
            Parties {
                issuer: ISSUER.to_owned(),
                signer: ours.clone(),
                verifier: ours,
                other_issuer: ring($algorithm, "https://other.example", &KEY),
                other_keys: ring($algorithm, ISSUER, &OTHER),
            }
        });
    };
}

algorithm!(es256, SigningAlgorithm::Es256);
algorithm!(eddsa, SigningAlgorithm::EdDsa);
algorithm!(rs256, SigningAlgorithm::Rs256);
algorithm!(ps256, SigningAlgorithm::Ps256);
