//! The cases of the policy port, for Rego and for the table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

use agentidp_adapters::rego::{PolicySource, RegoPolicy};
use agentidp_adapters::table::TablePolicy;
use agentidp_core::policy_contract;

policy_contract!(rego, RegoPolicy::new(PolicySource::builtin()).unwrap());
policy_contract!(table, TablePolicy::builtin().unwrap());
