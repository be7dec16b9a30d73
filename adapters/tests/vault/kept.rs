//! What lies in Vault, and what others do to it.

use crate::relay::Relay;
use crate::server::Server;
use crate::{Kept, undo};
use agentidp_adapters::secret_router::{CacheLimits, CachedVerifier};
use agentidp_adapters::vault::VaultSecrets;
use agentidp_core::contract::secrets::{owner, secret, write};
use agentidp_core::domain::credential::{MAX_GRACED_SECRETS, SecretRef};
use agentidp_core::ports::secrets::SecretStore;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;

async fn store() -> (Server, VaultSecrets) {
    let server = Server::shared();
    let store = server.store(&server.mount().await, server.root());
    (server, store)
}

#[tokio::test]
async fn the_document_and_its_path_are_fixed() {
    let (server, store) = store().await;
    let kept = Kept::put(&store, 1, 1).await;
    let mount = kept.path().split('/').next().unwrap().to_owned();
    let (agent, credential) = (owner(1).agent_id, owner(1).credential_id);
    assert_eq!(kept.path(), format!("{mount}/agentidp/agents/{agent}/credentials/{credential}"));
    let (_, answer) = server.ask(Method::GET, &kept.url("data"), Value::Null).await;
    let expected = json!({
        "client_id": agent.to_string(),
        "client_secret": kept.text,
        "write_id": write(owner(1), 1).id.to_string(),
    });
    assert_eq!(answer["data"]["data"], expected);
}

#[tokio::test]
async fn as_many_versions_are_kept_as_may_be_in_their_grace() {
    let (server, store) = store().await;
    // One that somebody had keep fewer.
    let first = owner(1);
    let mount = Kept::put(&store, 2, 1).await.path().split('/').next().unwrap().to_owned();
    let key = format!("agentidp/agents/{}/credentials/{}", first.agent_id, first.credential_id);
    server.post(&format!("{mount}/metadata/{key}"), json!({"max_versions": 1})).await;
    let mut versions = Vec::new();
    for seed in 0..=u8::try_from(MAX_GRACED_SECRETS).unwrap() {
        versions.push(Kept::put(&store, 1, seed).await);
    }
    for (number, version) in versions.iter().enumerate() {
        assert!(version.verify(&store).await.unwrap(), "version {number}");
    }
}

/// Each rotation whose answer is lost leaves a version, and Vault counts those that are taken back too.
#[tokio::test]
async fn writes_that_no_row_names_push_out_none_that_one_does() {
    let (_server, store) = store().await;
    let first = Kept::put(&store, 1, 0).await;
    for seed in 1..=50 {
        Kept::put(&store, 1, seed).await;
        undo(&store, 1, seed).await.unwrap();
    }
    assert!(first.verify(&store).await.unwrap());
}

#[tokio::test]
async fn what_others_destroy_or_delete_is_a_wrong_secret() {
    let (server, store) = store().await;
    let (destroyed, deleted, gone) =
        (Kept::put(&store, 1, 1).await, Kept::put(&store, 2, 1).await, Kept::put(&store, 3, 1).await);
    server.post(&destroyed.url("destroy"), json!({"versions": [1]})).await;
    server.post(&deleted.url("delete"), json!({"versions": [1]})).await;
    assert_eq!(server.ask(Method::DELETE, &gone.url("metadata"), Value::Null).await.0, 204);
    for kept in [&destroyed, &deleted, &gone] {
        assert!(!kept.verify(&store).await.unwrap());
    }
    for kept in [&destroyed, &gone] {
        store.destroy(&kept.at.location().unwrap()).await.unwrap();
    }
    server.post(&deleted.url("undelete"), json!({"versions": [1]})).await;
    assert!(deleted.verify(&store).await.unwrap());
}

#[tokio::test]
async fn what_is_deleted_is_destroyed_too() {
    let (server, store) = store().await;
    let kept = Kept::put(&store, 1, 1).await;
    server.post(&kept.url("delete"), json!({"versions": [1]})).await;
    store.destroy(&kept.at.location().unwrap()).await.unwrap();
    server.post(&kept.url("undelete"), json!({"versions": [1]})).await;
    assert!(!kept.verify(&store).await.unwrap(), "nothing is left to bring back");
    let (_, answer) = server.ask(Method::GET, &kept.url("metadata"), Value::Null).await;
    assert_eq!(answer["data"]["versions"]["1"]["destroyed"], true, "the metadata stays");
}

#[tokio::test]
async fn what_others_write_is_not_ours() {
    let (server, store) = store().await;
    let kept = Kept::put(&store, 1, 1).await;
    server.post(&kept.url("data"), json!({"data": {"client_secret": 5}})).await;
    let SecretRef::Vault { path, .. } = &kept.at else { panic!("a path") };
    let foreign = Kept { at: SecretRef::Vault { path: path.clone(), version: 2 }, text: "5".to_owned() };
    assert!(crate::failure(foreign.verify(&store).await).contains("not written by AgentIdP"));
    assert!(kept.verify(&store).await.unwrap());
    let next = Kept::put(&store, 1, 3).await;
    undo(&store, 1, 3).await.unwrap();
    assert!(!next.verify(&store).await.unwrap() && kept.verify(&store).await.unwrap());
}

#[tokio::test]
async fn writers_at_once_each_get_a_version() {
    let (_, store) = store().await;
    let texts: Vec<_> = (1..=5).map(|seed| (seed, secret(owner(1), seed))).collect();
    let (store, mut writers) = (Arc::new(store), Vec::new());
    for (seed, text) in texts {
        let store = Arc::clone(&store);
        writers.push(tokio::spawn(async move { store.put(write(owner(1), u128::from(seed)), &text).await.unwrap() }));
    }
    let mut versions = Vec::new();
    for writer in writers {
        let SecretRef::Vault { version, .. } = writer.await.unwrap() else { panic!("a version") };
        versions.push(version);
    }
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_known_secret_asks_vault_nothing() {
    let server = Server::shared();
    let relay = Relay::before(server.address.authority()).await;
    let mut config = server.config(&server.mount().await, server.root());
    config.address = relay.address.parse().unwrap();
    let store = VaultSecrets::new(config).unwrap();
    let kept = Kept::put(&store, 1, 1).await;
    let cached = CachedVerifier::new(Arc::new(store), CacheLimits::default()).unwrap();
    let before = relay.seen("");
    for _ in 0..100 {
        assert!(kept.verify(&cached).await.unwrap());
        let wrong = Kept { at: kept.at.clone(), text: "wrong".to_owned() };
        assert!(!wrong.verify(&cached).await.unwrap());
    }
    assert_eq!(relay.seen("") - before, 1);
}
