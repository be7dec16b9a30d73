//! The whole application over HTTP, in process, on SQLite and on PostgreSQL.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod attacker;
mod attacker_dead;
mod attacker_oracles;
mod attacker_replays;
mod biscuit_bearer;
mod biscuit_exchange;
mod biscuit_life;
#[path = "../tls/mod.rs"]
mod certificates;
mod concurrency;
mod failure_times;
mod forged;
mod key_life;
mod keys;
mod legacy;
mod lost_replies;
mod main_job;
mod metrics;
mod negative;
mod negative_api;
mod negative_clients;
mod negative_json;
mod negative_limits;
mod negative_paths;
mod openapi_live;
mod outdated;
mod policy;
#[path = "../../../adapters/tests/support/proxy.rs"]
mod proxy;
#[path = "../../../adapters/tests/support/relay.rs"]
mod relay;
mod slow_clients;
mod support;
mod tls;
mod vault;
#[path = "../../../adapters/tests/support/vault.rs"]
mod vault_server;
