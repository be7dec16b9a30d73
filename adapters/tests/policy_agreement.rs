//! One policy, three ways to decide by it: compiled Rego, interpreted Rego and the table agree on everything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

use agentidp_adapters::rego::suite::{self, TestFile};
use agentidp_adapters::rego::{PolicySource, RegoPolicy};
use agentidp_adapters::table::TablePolicy;
use agentidp_core::contract::policy::generated;
use agentidp_core::ports::policy::PolicyEngine;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const INPUTS: usize = 24_000;
/// The rules of the shipped policy: each must have decided some of the inputs, or they are poorly drawn.
const RULES: [&str; 13] = [
    "admin_all",
    "agent_not_found",
    "beyond_capabilities",
    "beyond_token",
    "biscuit_hands_out",
    "default_deny",
    "introspect_as_client",
    "issue_token",
    "missing_scope",
    "own_owner",
    "owner_stays",
    "revoke_tokens",
    "stronger_agent",
];

#[test]
fn compiled_interpreted_and_table_agree() {
    let rego = RegoPolicy::new(PolicySource::builtin()).unwrap();
    let table = TablePolicy::builtin().unwrap();
    let mut seen = BTreeSet::new();
    for input in generated(0x5EED, INPUTS) {
        let compiled = rego.decide(&input).unwrap().decision;
        assert_eq!(compiled, table.decide(&input).unwrap().decision, "rego and table differ on {input:#?}");
        assert_eq!(
            compiled,
            rego.decide_interpreted(&input).unwrap().decision,
            "the interpreter differs on {input:#?}"
        );
        seen.insert(compiled.rule.unwrap());
    }
    assert_eq!(seen, RULES.map(str::to_owned).into());
}

#[test]
fn every_rego_test_is_true() {
    let results = suite::run(&PolicySource::builtin(), &TestFile::builtin()).unwrap();
    assert!(results.len() > 20, "the tests were not found");
    let failed: Vec<_> = results.iter().filter(|test| test.problem.is_some()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// Guards against a scan that slipped in: measured at 0.1 ms a decision without optimisation, on a busy machine.
#[test]
fn two_thousand_decisions_are_cheap() {
    let rego = RegoPolicy::new(PolicySource::builtin()).unwrap();
    let inputs: Vec<_> = generated(0xC057, 2_000).collect();
    let start = Instant::now();
    for input in &inputs {
        rego.decide(input).unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(5), "2,000 decisions took {:?}", start.elapsed());
}
