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
mod policy;
mod redis;
mod reload;
mod serve;
mod stop;
mod tls;
mod tools;
