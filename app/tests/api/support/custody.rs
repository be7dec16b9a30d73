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
}

impl Custody {
    /// What tells a server of it. In Vault it has a mount and a role of its own.
    pub async fn settings(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Digest => Vec::new(),
            Self::Vault => Self::vault(&Server::shared()).await,
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
