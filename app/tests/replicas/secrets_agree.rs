//! What lies in Vault against what the database names and what was promised.

use crate::harness::MASTER_KEY;
use crate::kept_vault::KeptVault;
use crate::pair::Pair;
use crate::secrets_load::{Held, Ledger};
use crate::test_clock::TestClock;
use agentidp::config::{Config, Profile, Source};
use agentidp::wiring;
use agentidp_core::ports::custody::{Pending, WRITE_TIME};
use serde_json::Value;
use std::collections::HashSet;

/// Lets one pass of the reconciler run as if everything that was left were due, with a Vault at this port. Nothing is left.
pub fn reconcile(pair: &Pair, vault: &KeptVault, port: u16) {
    let clock = TestClock::new();
    // Beside writes, what was tried a few times is due again within this.
    clock.advance(WRITE_TIME * 10);
    let mut env =
        vec![("DATABASE_URL".to_owned(), pair.database.url()), ("MASTER_KEY".to_owned(), MASTER_KEY.to_owned())];
    env.extend(vault.settings(port).map(|(name, value)| (name.to_owned(), value)));
    let config = Config::load(&Profile::Dev { data_dir: None, port: None }, &Source::of_env(env)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let pending = runtime.block_on(async {
        let keys = wiring::master_keys(&config, false).unwrap();
        let store = wiring::open_store(&config.database.url).await.unwrap();
        let system = wiring::build(&config, store, &keys, "http://127.0.0.1:1", clock.ambient()).await.unwrap();
        system.background.custody.reconcile().await.unwrap()
    });
    assert_eq!(pending, Pending::default(), "one pass does it");
}

/// Fails unless Vault holds what was promised and nothing else: of each credential that works as many versions as it had
/// secrets, of each that was revoked none, and nothing that the database does not name. Gives how many paths and live
/// versions there are.
pub fn agreed(pair: &Pair, vault: &KeptVault, ledgers: &[Ledger]) -> (usize, usize) {
    let (mut paths, mut versions) = (0, 0);
    for ledger in ledgers {
        let place = format!("agentidp/agents/{}/credentials", ledger.agent);
        let rows = rows(pair, &ledger.agent);
        let promised = |held: &[Held]| -> HashSet<String> { held.iter().map(|held| held.credential.clone()).collect() };
        assert_eq!(rows.0, promised(&ledger.alive), "the database has what was acknowledged");
        assert_eq!(rows.1, promised(&ledger.revoked), "the database has what was acknowledged");
        let (status, listed) = vault.ask("metadata", &format!("{place}?list=true"));
        assert_eq!(status, 200, "{listed}");
        for path in listed["data"]["keys"].as_array().unwrap() {
            let path = path.as_str().unwrap();
            let live = live_versions(vault, &format!("{place}/{path}"));
            let held = ledger.alive.iter().find(|held| held.credential == path);
            assert_eq!(live, held.map_or(0, |held| 1 + held.rotations), "{path}, alive: {}", held.is_some());
            (paths, versions) = (paths + 1, versions + live);
        }
        let listed = listed["data"]["keys"].to_string();
        assert!(ledger.alive.iter().all(|held| listed.contains(&held.credential)), "Vault has what works");
    }
    (paths, versions)
}

/// The agent's active and revoked credentials in the database.
fn rows(pair: &Pair, agent: &str) -> (HashSet<String>, HashSet<String>) {
    let of = |status: &str| {
        let (mut ids, mut cursor) = (HashSet::new(), String::new());
        loop {
            let path = format!("/agents/{agent}/credentials?status={status}&limit=100{cursor}");
            let page = pair.call(0, "GET", &path, &Value::Null, 200);
            ids.extend(
                page["data"].as_array().unwrap().iter().map(|row| row["credentialId"].as_str().unwrap().to_owned()),
            );
            let Some(next) = page["nextCursor"].as_str() else { return ids };
            cursor = format!("&cursor={next}");
        }
    };
    (of("active"), of("revoked"))
}

/// How many versions of a path have data, deleted ones counted.
fn live_versions(vault: &KeptVault, path: &str) -> usize {
    let (status, answer) = vault.ask("metadata", path);
    assert_eq!(status, 200, "{path}: {answer}");
    let versions = answer["data"]["versions"].as_object().unwrap();
    versions.values().filter(|version| version["destroyed"] == Value::Bool(false)).count()
}
