//! The contract of the store ports, on both databases, and behind the observing decorator.
#![allow(clippy::panic, clippy::unwrap_used, reason = "these are tests")]

mod support;

use agentidp_core::storage_contract;
use support::{on_memory, on_metered, on_postgres, on_sqlite};

storage_contract!(memory, on_memory);
storage_contract!(metered, on_metered);
storage_contract!(sqlite, on_sqlite);
storage_contract!(postgres, on_postgres);

/// A case that no test is made of would be missed by nobody.
#[test]
fn every_case_is_in_the_suite() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/src/contract/storage");
    let suite = std::fs::read_to_string(format!("{folder}/mod.rs")).unwrap();
    let mut cases = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|line| line.contains("(stores: &Stores) {") && line.starts_with("pub async fn"))
        {
            let name = line.trim_start_matches("pub async fn ").split('(').next().unwrap();
            assert!(suite.contains(&format!("  {name}")), "{name} in {} is not in the suite", path.display());
            cases += 1;
        }
    }
    assert!(cases > 50, "only {cases} cases were found");
}
