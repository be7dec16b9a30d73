//! How a token is got, kept alive and got again.

use crate::relay::{Mode, Relay};
use crate::server::{PATIENCE, POLICY, Server};
use crate::{Kept, failure};
use agentidp_adapters::vault::{VaultConfig, VaultLogin, VaultSecrets};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const LOGIN: &str = "POST /v1/auth/approle/login";
const RENEWAL: &str = "POST /v1/auth/token/renew-self";

/// A store that logs in by a role, through a relay.
struct ByRole {
    server: Server,
    relay: Relay,
    policy: String,
    store: Arc<VaultSecrets>,
}

impl ByRole {
    async fn start(settings: Value, adjust: impl FnOnce(&mut VaultConfig)) -> Self {
        let server = Server::shared();
        let relay = Relay::before(server.address.authority()).await;
        let mount = server.mount().await;
        let policy = server.policy(POLICY, &mount).await;
        let mut config = server.config(&mount, server.approle(&policy, settings).await);
        config.address = relay.address.parse().unwrap();
        adjust(&mut config);
        let store = Arc::new(VaultSecrets::new(config).unwrap());
        Self { server, relay, policy, store }
    }

    /// Revokes every token that the role has got.
    async fn revoke_tokens(&self) {
        let list = Method::from_bytes(b"LIST").unwrap();
        let (_, answer) = self.server.ask(list, "auth/token/accessors", Value::Null).await;
        for accessor in answer["data"]["keys"].as_array().unwrap() {
            let body = json!({ "accessor": accessor });
            let (_, token) = self.server.ask(Method::POST, "auth/token/lookup-accessor", body.clone()).await;
            if token["data"]["policies"].as_array().is_some_and(|names| names.contains(&json!(self.policy))) {
                self.server.post("auth/token/revoke-accessor", body).await;
            }
        }
    }

    /// Verifies fifty times at once.
    async fn verify_fifty(&self, kept: &Arc<Kept>) -> Vec<Result<bool, agentidp_core::ports::secrets::SecretError>> {
        let asked: Vec<_> = (0..50)
            .map(|_| {
                let (store, kept) = (Arc::clone(&self.store), Arc::clone(kept));
                tokio::spawn(async move { kept.verify(store.as_ref()).await })
            })
            .collect();
        let mut answers = Vec::new();
        for answer in asked {
            answers.push(answer.await.unwrap());
        }
        answers
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_refusals_lead_to_one_login() {
    let role = ByRole::start(json!({}), |config| config.limits.pause = Duration::ZERO).await;
    let kept = Arc::new(Kept::put(&role.store, 1, 1).await);
    assert_eq!(role.relay.seen(LOGIN), 1);
    role.revoke_tokens().await;
    for answer in role.verify_fifty(&kept).await {
        assert!(answer.unwrap(), "a token that has ended is no wrong secret");
    }
    assert_eq!(role.relay.seen(LOGIN), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_right_after_a_login_stands() {
    let role = ByRole::start(json!({}), |config| config.limits.pause = PATIENCE * 10).await;
    let kept = Arc::new(Kept::put(&role.store, 1, 1).await);
    role.server.post(&format!("sys/policies/acl/{}", role.policy), json!({"policy": "path \"none\" {}"})).await;
    for answer in role.verify_fifty(&kept).await {
        let text = failure(answer);
        assert!(text.contains("refuses access") && text.contains("docs/vault/agentidp-policy.hcl"), "{text}");
    }
    assert_eq!(role.relay.seen(LOGIN), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_fails_is_not_tried_by_everybody() {
    let role = ByRole::start(json!({}), |config| {
        config.limits.pause = PATIENCE * 10;
        if let VaultLogin::AppRole { secret_id, .. } = &mut config.login {
            *secret_id = "another".to_owned().into();
        }
    })
    .await;
    let kept = Arc::new(Kept::put(&role.server.store(&role.server.mount().await, role.server.root()), 1, 1).await);
    for answer in role.verify_fifty(&kept).await {
        let text = failure(answer);
        assert!(text.contains("refuses the login (400); check VAULT_ROLE_ID and VAULT_SECRET_ID"), "{text}");
    }
    assert_eq!(role.relay.seen(LOGIN), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_before_it_ends() {
    let role = ByRole::start(json!({"token_ttl": "8s"}), |_| ()).await;
    let kept = Kept::put(&role.store, 1, 1).await;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(9) || role.relay.seen(RENEWAL) < 2 {
        assert!(start.elapsed() < PATIENCE, "no renewal");
        role.store.check().await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(kept.verify(role.store.as_ref()).await.unwrap());
    assert_eq!(role.relay.seen(LOGIN), 1, "it was renewed, not replaced");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_not_live_longer_is_replaced_before_it_ends() {
    let role = ByRole::start(json!({"token_ttl": "6s", "token_max_ttl": "6s"}), |_| ()).await;
    let kept = Kept::put(&role.store, 1, 1).await;
    let start = Instant::now();
    while role.relay.seen(LOGIN) < 3 {
        assert!(start.elapsed() < PATIENCE, "no new login");
        assert!(kept.verify(role.store.as_ref()).await.unwrap());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_fails_leaves_the_token_in_use() {
    let role = ByRole::start(json!({"token_ttl": "20s"}), |config| config.limits.pause = Duration::ZERO).await;
    let kept = Kept::put(&role.store, 1, 1).await;
    let start = Instant::now();
    tokio::time::sleep_until(start + Duration::from_secs(11)).await;
    role.relay.set(Mode::Close);
    failure(kept.verify(role.store.as_ref()).await);
    role.relay.set(Mode::Pass);
    assert!(kept.verify(role.store.as_ref()).await.unwrap());
    assert_eq!((role.relay.seen(LOGIN), role.relay.seen(RENEWAL) >= 2), (1, true));
}

#[tokio::test]
async fn a_given_token_that_ends_is_said_to() {
    let server = Server::shared();
    let mount = server.mount().await;
    let token = server.token(&server.policy(POLICY, &mount).await, json!({"ttl": "1h"})).await;
    let store = server.store(&mount, VaultLogin::Token(token.clone().into()));
    let kept = Kept::put(&store, 1, 1).await;
    assert!(kept.verify(&store).await.unwrap());
    server.post("auth/token/revoke", json!({ "token": token })).await;
    let text = failure(kept.verify(&store).await);
    assert!(text.contains("expired or was revoked") && !text.contains(&token), "{text}");
}

#[tokio::test]
async fn a_given_token_is_renewed() {
    let server = Server::shared();
    let mount = server.mount().await;
    let token = server.token(&server.policy(POLICY, &mount).await, json!({"ttl": "6s"})).await;
    let store = server.store(&mount, VaultLogin::Token(token.into()));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(8) {
        store.check().await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_token_that_is_none_is_refused_by_name() {
    let server = Server::shared();
    let store = server.store("secret", VaultLogin::Token("sesame".to_owned().into()));
    let error = store.check().await.unwrap_err();
    assert!(error.is_mistake(), "{error:?}");
    assert_eq!(error.to_string(), "Vault refuses the login (403); check VAULT_TOKEN");
}

#[tokio::test]
async fn a_token_that_cannot_be_sent_is_told() {
    let server = Server::shared();
    for token in ["two\nlines", "a b", "é"] {
        let error = server.store("secret", VaultLogin::Token(token.to_owned().into())).check().await.unwrap_err();
        assert!(error.to_string().contains("visible ASCII") && !error.to_string().contains(token), "{error}");
    }
}
