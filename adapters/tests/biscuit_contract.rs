#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]
//! The contract of Biscuits.

#[path = "support/biscuit.rs"]
mod support;

use agentidp_core::contract::biscuits::Parties;
use support::{ISSUER, attenuate, ring, root};

fn parties() -> Parties {
    let (ours, others) = (root(), root());
    let ring = |key, issuer| ring(&[key], issuer);
    let own = ring(ours.clone(), ISSUER);
    Parties {
        issuer: ISSUER.to_owned(),
        minter: own.clone(),
        reader: own,
        other_issuer: ring(ours, "https://other.example"),
        other_keys: ring(others, ISSUER),
        attenuate,
    }
}

agentidp_core::biscuit_contract!(ed25519, parties());
