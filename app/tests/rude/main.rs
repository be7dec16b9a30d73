//! The binary among rude clients, without descriptors, and killed. Each test wants the machine for itself, so they run
//! one after the other, after those of the other targets.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod clients;
mod custody;
mod descriptors;
#[path = "../cli/harness.rs"]
#[allow(dead_code, reason = "the tests of the command line use the rest")]
mod harness;
mod kill;
mod ledger;
mod leftovers;
mod process;
mod shares;
mod waves;
mod wire;
mod worker;

use harness::Place;
use std::sync::{Mutex, MutexGuard, PoisonError};

static MACHINE: Mutex<()> = Mutex::new(());

/// The machine for this test alone.
fn alone() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server's place, without rate limits.
fn place() -> Place {
    let place = Place::of_server()
        .with("RATE_LIMIT_PER_MINUTE", "0")
        .with("INTROSPECTION_RATE_LIMIT_PER_MINUTE", "0")
        .with("AUTH_FAILURES_PER_MINUTE", "0");
    place.done(&["migrate"]);
    place
}
