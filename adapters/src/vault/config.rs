//! What the adapter is told. It reads nothing else: no variable of the environment, no file.

use agentidp_core::domain::vault::VaultMount;
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// Where Vault is, who we are there, and where secrets lie.
#[derive(Debug, Clone)]
pub struct VaultConfig {
    /// Scheme, host and port.
    pub address: Url,
    /// The namespace that everything is in; none: the root.
    pub namespace: Option<String>,
    /// Where the KV engine (version 2) of new secrets is mounted.
    pub mount: VaultMount,
    pub login: VaultLogin,
    /// The only certificate authorities, in PEM, that the server may be known by; none: those of the system.
    pub ca: Option<Vec<u8>>,
    pub limits: VaultLimits,
}

/// How a token is got.
#[derive(Debug, Clone)]
pub enum VaultLogin {
    /// It is given, and renewed as long as Vault does so.
    Token(SecretString),
    /// From the AppRole auth method at `approle`, and again when it ends.
    AppRole { role_id: String, secret_id: SecretString },
}

/// How long and how often Vault is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VaultLimits {
    /// To a connection.
    pub connect: Duration,
    /// To the whole answer of one request.
    pub request: Duration,
    /// To the end of one operation, which may be several requests.
    pub operation: Duration,
    /// Requests at a time; more wait.
    pub requests: usize,
    /// Shortest time between two logins that follow a refusal, and how long a Vault that is away is not asked.
    pub pause: Duration,
}

impl Default for VaultLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            request: Duration::from_secs(2),
            operation: Duration::from_secs(5),
            requests: 32,
            pause: Duration::from_secs(1),
        }
    }
}
