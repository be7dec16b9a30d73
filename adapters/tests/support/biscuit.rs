//! What the tests of Biscuits share.
#![allow(dead_code, reason = "each test binary uses its part")]

#[path = "crypto.rs"]
mod crypto;

use agentidp_adapters::biscuit::{BiscuitRing, generate};
use agentidp_adapters::signing_keys::SealingKey;
use agentidp_core::domain::key::StoredKey;
use agentidp_core::domain::time::Timestamp;
use biscuit_auth::{BlockBuilder, UnverifiedBiscuit};
pub use crypto::{HandClock, START_MILLIS};
use std::sync::Arc;

pub const ISSUER: &str = "https://idp.example";

pub fn sealing() -> SealingKey {
    SealingKey::new("key", &[1; 32])
}

/// A new root key.
pub fn root() -> StoredKey {
    let start = Timestamp::from_unix_millis(START_MILLIS);
    generate(&sealing(), start, start).unwrap()
}

pub fn ring(keys: &[StoredKey], issuer: &str) -> Arc<BiscuitRing> {
    Arc::new(BiscuitRing::open(keys, &[sealing()], issuer, Arc::new(HandClock::default())).unwrap())
}

/// Adds a block of this Datalog, as a holder does who knows nothing but the token.
pub fn attenuate(token: &str, datalog: &str) -> String {
    let block = BlockBuilder::new().code(datalog).unwrap();
    UnverifiedBiscuit::from_base64(token).unwrap().append(block).unwrap().to_base64().unwrap()
}
