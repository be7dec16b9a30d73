//! The binary over PostgreSQL: migrated by many at once, beside newer schemas, over TLS, and while the database restarts.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

#[path = "../tls/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod certificates;
#[path = "../cli/harness.rs"]
#[allow(dead_code, reason = "the tests of the command line use the rest")]
mod harness;
#[path = "../rude/ledger.rs"]
mod ledger;
mod migrate;
#[path = "../../../adapters/tests/support/ports.rs"]
mod ports;
mod restart;
mod roles;
mod server;
mod tls;
#[path = "../rude/worker.rs"]
#[allow(dead_code, reason = "the tests of kills use the rest")]
mod worker;
