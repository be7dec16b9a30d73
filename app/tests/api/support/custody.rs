//! Where a server under test keeps the secrets of its credentials.

use crate::vault_server::{POLICY, Server};
use agentidp_adapters::vault::VaultLogin;
use secrecy::ExposeSecret;
use serde_json::json;

/// The backend of new credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Custody {
    Digest,
    Vault,
    Aws,
}

impl Custody {
    /// What tells a server of it. In Vault it has a mount and a role of its own.
    pub async fn settings(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Digest => Vec::new(),
            Self::Vault => Self::vault(&Server::shared()).await,
            Self::Aws => vec![
                ("SECRETS_BACKEND", "aws-secretsmanager".to_owned()),
                ("AWS_ENDPOINT_URL", of_environment("AGENTIDP_TEST_AWS_ENDPOINT_URL")),
                ("AWS_REGION", "us-east-1".to_owned()),
                ("AWS_SECRETS_PREFIX", format!("{}/", uuid::Uuid::new_v4())),
            ],
        }
    }

    async fn vault(server: &Server) -> Vec<(&'static str, String)> {
        let mount = server.mount().await;
        let login = server.approle(&server.policy(POLICY, &mount).await, json!({})).await;
        let VaultLogin::AppRole { role_id, secret_id } = login else { panic!("a role") };
        vec![
            ("VAULT_ADDR", server.address.to_string()),
            ("VAULT_MOUNT", mount),
            ("VAULT_ROLE_ID", role_id),
            ("VAULT_SECRET_ID", secret_id.expose_secret().to_owned()),
        ]
    }
}

/// Where limits are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    Here,
    Redis,
}

impl Counting {
    /// What tells a server of it.
    pub fn settings(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Here => Vec::new(),
            // With limits that nobody meets: without one, nothing would be counted.
            Self::Redis => vec![
                ("REDIS_URL", of_environment("AGENTIDP_TEST_REDIS_URL")),
                ("RATE_LIMIT_PER_MINUTE", "100000".to_owned()),
                ("INTROSPECTION_RATE_LIMIT_PER_MINUTE", "100000".to_owned()),
                ("AUTH_FAILURES_PER_MINUTE", "100000".to_owned()),
            ],
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where these tests learn of these servers")]
fn of_environment(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run the tests by `make test` or `scripts/with-servers`"))
}
