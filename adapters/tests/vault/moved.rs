//! A server whose mount of new secrets has changed, over the database of before.

use crate::server::Server;
use crate::undo;
use agentidp_adapters::sql::{self, Options};
use agentidp_adapters::vault::VaultSecrets;
use agentidp_core::contract::secrets::{owner, secret};
use agentidp_core::domain::credential::SecretRef;
use agentidp_core::domain::secret::PresentedSecret;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::clock::{Clock, Entropy};
use agentidp_core::ports::custody::{CustodyError, CustodyObserver, CustodyStore, Pending, Task};
use agentidp_core::ports::secrets::{SecretStore, SecretVerifier};
use agentidp_core::services::Ambient;
use agentidp_core::services::custody::Custody;
use reqwest::Method;
use serde_json::Value;
use std::sync::Arc;

/// A moment that stands still.
struct At(i64);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.0)
    }
}

struct Random;

impl Entropy for Random {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|byte| *byte = uuid::Uuid::new_v4().as_bytes()[0]);
    }
}

/// Every task has to be done at once.
struct Strict;

impl CustodyObserver for Strict {
    fn done(&self, _: &Task) {}

    fn postponed(&self, _: &Task, error: &CustodyError) {
        panic!("{error}");
    }
}

fn custody(store: &Arc<VaultSecrets>, records: &Arc<dyn CustodyStore>, at: i64) -> Custody {
    let current = Arc::clone(store) as Arc<dyn SecretStore>;
    Custody {
        current: Arc::clone(&current),
        stores: vec![current],
        records: Arc::clone(records),
        observer: Arc::new(Strict),
        ambient: Ambient { clock: Arc::new(At(at)), entropy: Arc::new(Random) },
    }
}

#[tokio::test]
async fn a_write_is_taken_back_from_the_mount_where_it_was_announced() {
    let server = Server::shared();
    let (before, after) = (server.mount().await, server.mount().await);
    let stores = [&before, &after].map(|mount| Arc::new(server.store(mount, server.root())));
    let records = sql::connect("sqlite::memory:", &Options::default()).await.unwrap();
    records.migrate().await.unwrap();
    let records: Arc<dyn CustodyStore> = Arc::new(records);
    // Nothing commits it: the process has died.
    let text = secret(owner(1), 1);
    let kept = custody(&stores[0], &records, 0).keep(owner(1), None, &text).await.unwrap().at;
    let presented = || PresentedSecret::new(text.expose().to_owned());
    assert!(stores[1].verify(&kept, &presented()).await.unwrap());
    assert_eq!(custody(&stores[1], &records, 120_000).reconcile().await.unwrap(), Pending::default());
    assert!(!stores[1].verify(&kept, &presented()).await.unwrap());
    let SecretRef::Vault { path, .. } = &kept else { panic!("a path") };
    let (_, metadata) = server.ask(Method::GET, &path.replacen('/', "/metadata/", 1), Value::Null).await;
    assert_eq!(metadata["data"]["versions"]["1"]["destroyed"], true, "{metadata}");
    let (status, _) = server.ask(Method::GET, &format!("{after}/metadata/?list=true"), Value::Null).await;
    assert_eq!(status, 404, "nothing was ever written there");
    undo(&stores[1], 1, 1).await.expect("what never was");
}
