//! A real Vault for tests: each has a mount of its own.
#![allow(dead_code, reason = "each test binary uses its part")]

use agentidp_adapters::vault::{VaultConfig, VaultLimits, VaultLogin, VaultSecrets};
use agentidp_core::domain::vault::VaultMount;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

/// The policy that operators are given.
pub const POLICY: &str = include_str!("../../../docs/vault/agentidp-policy.hcl");

/// Long enough for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "tests are told by scripts/with-servers where their servers are")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run the tests by scripts/with-servers"))
}

/// A Vault, as its administrator sees it.
#[derive(Clone)]
pub struct Server {
    pub address: Url,
    pub root_token: String,
    http: Client,
}

impl Server {
    /// The one of `scripts/with-servers`.
    pub fn shared() -> Self {
        Self::at(&variable("AGENTIDP_TEST_VAULT_ADDR"), &variable("AGENTIDP_TEST_VAULT_TOKEN"))
    }

    pub fn at(address: &str, root_token: &str) -> Self {
        let http = Client::builder().timeout(Duration::from_secs(20)).no_proxy().build().unwrap();
        Self { address: address.parse().unwrap(), root_token: root_token.to_owned(), http }
    }

    /// What Vault answers to its administrator.
    pub async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let url = self.address.join(&format!("v1/{path}")).unwrap();
        let request = self.http.request(method, url).header("X-Vault-Token", &self.root_token).json(&body);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    /// As [`Server::ask`], for what has to succeed.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(Method::POST, path, body).await;
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    /// Mounts a KV engine, version 2, that no other test uses.
    pub async fn mount(&self) -> String {
        let mount = format!("kv-{}", Uuid::new_v4().simple());
        self.post(&format!("sys/mounts/{mount}"), json!({"type": "kv", "options": {"version": "2"}})).await;
        let deadline = Instant::now() + PATIENCE;
        // A new engine says for a moment that it is being upgraded.
        while self.ask(Method::GET, &format!("{mount}/metadata/none"), Value::Null).await.0 != 404 {
            assert!(Instant::now() < deadline, "the engine at {mount} does not come up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        mount
    }

    /// Mounts a KV engine, version 1, that no other test uses; `options` may leave that unsaid.
    pub async fn old_mount(&self, options: Value) -> String {
        let mount = format!("kv1-{}", Uuid::new_v4().simple());
        self.post(&format!("sys/mounts/{mount}"), json!({"type": "kv", "options": options})).await;
        mount
    }

    /// The token of the administrator.
    pub fn root(&self) -> VaultLogin {
        VaultLogin::Token(self.root_token.clone().into())
    }

    /// Writes `rules` as a policy, for `mount` instead of `secret`, and gives its name.
    pub async fn policy(&self, rules: &str, mount: &str) -> String {
        let name = format!("policy-{}", Uuid::new_v4().simple());
        let rules = rules.replace("\"secret/", &format!("\"{mount}/"));
        self.post(&format!("sys/policies/acl/{name}"), json!({ "policy": rules })).await;
        name
    }

    /// A role that has this policy and no other, with what else `settings` says.
    pub async fn approle(&self, policy: &str, settings: Value) -> VaultLogin {
        let (status, answer) = self.ask(Method::POST, "sys/auth/approle", json!({"type": "approle"})).await;
        assert!(status < 300 || answer.to_string().contains("already in use"), "{status} {answer}");
        let role = format!("auth/approle/role/role-{}", Uuid::new_v4().simple());
        let mut body = json!({"token_policies": [policy], "token_no_default_policy": true, "token_ttl": "1h"});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        self.post(&role, body).await;
        let (_, role_id) = self.ask(Method::GET, &format!("{role}/role-id"), Value::Null).await;
        let secret_id = self.post(&format!("{role}/secret-id"), json!({})).await;
        VaultLogin::AppRole {
            role_id: role_id["data"]["role_id"].as_str().unwrap().to_owned(),
            secret_id: secret_id["data"]["secret_id"].as_str().unwrap().to_owned().into(),
        }
    }

    /// A token that has this policy and no other.
    pub async fn token(&self, policy: &str, settings: Value) -> String {
        let mut body = json!({"policies": [policy], "no_default_policy": true});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        self.post("auth/token/create", body).await["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// How the adapter is told of this server. The deadlines are those of a busy machine.
    pub fn config(&self, mount: &str, login: VaultLogin) -> VaultConfig {
        VaultConfig {
            address: self.address.clone(),
            namespace: None,
            mount: mount.parse::<VaultMount>().unwrap(),
            login,
            ca: None,
            limits: VaultLimits {
                connect: Duration::from_secs(10),
                request: Duration::from_secs(20),
                operation: Duration::from_secs(40),
                ..VaultLimits::default()
            },
        }
    }

    pub fn store(&self, mount: &str, login: VaultLogin) -> VaultSecrets {
        VaultSecrets::new(self.config(mount, login)).unwrap()
    }
}
