//! The binary from outside, in a clean environment.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod audit;
mod aws;
#[path = "../tls/mod.rs"]
mod certificates;
mod dev;
mod harness;
mod help;
mod import;
mod keys;
mod metrics;
mod mistakes;
mod output;
#[path = "../../../adapters/tests/support/own_vault.rs"]
mod own_vault;
mod policy;
mod policy_examples;
#[path = "../../../adapters/tests/support/ports.rs"]
mod ports;
mod redis;
#[path = "../../../adapters/tests/support/relay.rs"]
mod relay;
mod reload;
mod serve;
#[path = "../../../adapters/tests/support/vault.rs"]
mod server;
mod stop;
mod tls;
mod tools;
mod vault;
