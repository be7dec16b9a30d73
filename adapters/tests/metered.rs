//! What the observer of a store is told; that nothing else changes is shown by the contract suite.
#![allow(clippy::panic, clippy::unwrap_used, reason = "these are tests")]

mod support;

use agentidp_adapters::metered::{Ending, Metered};
use agentidp_core::ports::storage::{AgentStore, KeyStore, StoreError, StoreHealth};
use std::collections::BTreeSet;
use std::sync::Arc;
use support::{Scratch, Told, migrated};

fn source(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Two methods under one name could not be told apart in the metrics.
#[test]
fn every_method_has_a_name_of_its_own() {
    let methods = source("../core/src/ports/storage.rs").matches("    async fn ").count();
    let mut names = BTreeSet::new();
    for file in ["agents", "audit", "credentials", "keys", "tokens"] {
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
        drop(KeyStore::list(&metered));
        let mut asked = Box::pin(KeyStore::list(&metered));
        assert!(poll_once(asked.as_mut()).is_none(), "the database cannot have answered yet");
        drop(asked);
        store.close().await.unwrap();
        assert!(matches!(metered.ping().await, Err(StoreError::Unavailable(_))));
        let expected = [
            ("health_ping", Ending::Answered),
            ("agent_find", Ending::Answered),
            ("key_list", Ending::Abandoned),
            ("health_ping", Ending::Failed),
        ];
        assert_eq!(*told.0.lock().unwrap(), expected);
    };
    Scratch::memory().await.run(test).await;
}

/// One poll; none if the future waits.
fn poll_once<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(answer) => Some(answer),
        std::task::Poll::Pending => None,
    }
}
