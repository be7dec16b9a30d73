//! The binary twice over one PostgreSQL, with Redis, without, and with a Redis, a database or a Vault that goes away under
//! load.
//! Each test wants the machine for itself, so they run one after the other.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

#[path = "../cli/harness.rs"]
#[allow(dead_code, reason = "the tests of the command line use the rest")]
mod harness;
mod kept_vault;
mod limits;
mod load;
mod outages;
mod pair;
#[path = "../../../adapters/tests/support/ports.rs"]
mod ports;
mod propagation;
mod proxy;
#[path = "../../../adapters/tests/support/redis_server.rs"]
mod redis_server;
mod secrets_agree;
mod secrets_load;
mod secrets_outages;
#[path = "../api/support/clock.rs"]
#[allow(dead_code, reason = "the tests of the API use the rest")]
mod test_clock;
#[path = "../../../adapters/tests/support/vault.rs"]
mod vault_server;

use std::sync::{Mutex, MutexGuard, PoisonError};

static MACHINE: Mutex<()> = Mutex::new(());

/// The machine for this test alone.
fn alone() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}
