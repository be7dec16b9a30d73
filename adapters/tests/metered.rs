//! What the observer of a store is told; that nothing else changes is shown by the contract suite.
#![allow(clippy::panic, clippy::unwrap_used, reason = "these are tests")]

mod support;

use agentidp_adapters::metered::{Ending, Metered};
use agentidp_core::domain::agent::Agent;
use agentidp_core::domain::credential::Credential;
use agentidp_core::ports::storage::{AgentStore, Journal, KeyStore, StoreError, StoreHealth};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::{Context, Waker};
use support::{Scratch, Told, migrated};

fn source(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Two methods under one name could not be told apart in the metrics.
#[test]
fn every_method_has_a_name_of_its_own() {
    let ports = ["storage", "custody"].map(|port| source(&format!("../core/src/ports/{port}.rs")));
    let methods: usize = ports.iter().map(|port| port.matches("    async fn ").count()).sum();
    let mut names = BTreeSet::new();
    for file in ["agents", "audit", "credentials", "custody", "keys", "tokens"] {
        let text = source(&format!("src/metered/{file}.rs"));
        for part in text.split("self.observe(\"").skip(1) {
            let name = part.split('"').next().unwrap().to_owned();
            assert!(names.insert(name.clone()), "{name} twice");
        }
    }
    assert!(methods > 20);
    assert_eq!(names.len(), methods, "{names:?}");
}

#[tokio::test]
async fn the_observer_learns_how_each_question_ended() {
    let test = |url: String| async move {
        let store = migrated(&url).await;
        let told = Arc::new(Told::default());
        let metered = Metered::new(Arc::new(store.clone()), told.clone());
        metered.ping().await.unwrap();
        let nobody = AgentStore::find(&metered, "0198c0de-7a11-7c3e-9a52-3f6f0e1d2c4b".parse().unwrap()).await;
        assert_eq!(nobody.unwrap(), None);
        assert_eq!(KeyStore::list(&metered).await.unwrap(), []);
        store.close().await.unwrap();
        assert!(matches!(metered.ping().await, Err(StoreError::Unavailable(_))));
        let expected = [
            ("health_ping", Ending::Answered),
            ("agent_find", Ending::Answered),
            ("key_list", Ending::Answered),
            ("health_ping", Ending::Failed),
        ];
        assert_eq!(*told.0.lock().unwrap(), expected);
    };
    Scratch::memory().await.run(test).await;
}

/// A question that nobody waits for is told of as well; one that was never asked is not.
#[tokio::test]
async fn the_observer_learns_of_an_abandoned_question() {
    let told = Arc::new(Told::default());
    let metered = Metered::new(Arc::new(Silent), told.clone());
    drop(metered.ping());
    let mut asked = metered.ping();
    let mut context = Context::from_waker(Waker::noop());
    assert!(asked.as_mut().poll(&mut context).is_pending());
    assert_eq!(*told.0.lock().unwrap(), []);
    drop(asked);
    assert_eq!(*told.0.lock().unwrap(), [("health_ping", Ending::Abandoned)]);
}

/// A store that never answers.
struct Silent;

#[async_trait]
impl StoreHealth for Silent {
    async fn ping(&self) -> Result<(), StoreError> {
        std::future::pending().await
    }

    async fn has_administrator(&self) -> Result<bool, StoreError> {
        std::future::pending().await
    }

    async fn bootstrap(&self, _: &Agent, _: &Credential, _: bool, _: &Journal) -> Result<bool, StoreError> {
        std::future::pending().await
    }
}
