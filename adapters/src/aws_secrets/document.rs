//! What a version holds: the credential as a workload needs it.

use agentidp_core::domain::secret::{IssuedSecret, PresentedSecret};
use agentidp_core::ports::secrets::{SecretError, SecretOwner};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// JSON, as AWS shows it in its console and hands it to workloads.
#[derive(Serialize, Deserialize)]
pub struct Document {
    client_id: String,
    client_secret: Zeroizing<String>,
}

impl Document {
    /// The text of a new version.
    ///
    /// # Errors
    /// It cannot be made, which does not happen.
    pub fn write(owner: SecretOwner, secret: &IssuedSecret) -> Result<Zeroizing<String>, SecretError> {
        let client_secret = Zeroizing::new(secret.expose().to_owned());
        let document = Self { client_id: owner.agent_id.to_string(), client_secret };
        serde_json::to_string(&document).map(Zeroizing::new).map_err(|_| malformed())
    }

    /// Reads a version.
    ///
    /// # Errors
    /// It holds something else. What it is stays out of the error.
    pub fn read(text: Option<&str>) -> Result<Self, SecretError> {
        text.and_then(|text| serde_json::from_str(text).ok()).ok_or_else(malformed)
    }

    /// Whether `presented` is its secret.
    pub fn matches(&self, presented: &PresentedSecret) -> bool {
        self.client_secret.as_bytes().ct_eq(presented.expose().as_bytes()).into()
    }
}

fn malformed() -> SecretError {
    SecretError::Unavailable("the version holds no credential of AgentIdP".into())
}
