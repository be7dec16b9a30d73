//! What Vault's answers mean. The texts say what to check, and hold nothing of an answer's data.

use serde::Deserialize;
use serde_json::Value;
use vaultrs::error::ClientError;

/// Longest part of an error text of Vault's that is passed on, in characters.
const MAX_TEXT: usize = 200;

/// Every way in which a request is not answered with what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Never written, deleted or destroyed: an answer, not a fault.
    #[error("nothing lies at the path")]
    Missing,
    /// Another writer was first: an answer, not a fault.
    #[error("the secret has a newer version than the one expected")]
    Conflict,
    #[error(
        "Vault refuses access (403): the token has expired or was revoked, or its policy does not allow this; \
         compare it with docs/vault/agentidp-policy.hcl"
    )]
    Refused,
    #[error("Vault refuses the login ({status}); check {settings}")]
    LoginRefused { status: u16, settings: &'static str },
    #[error("Vault has no KV engine at this mount; check VAULT_MOUNT: {0}")]
    NoEngine(String),
    #[error(
        "VAULT_MOUNT needs a KV engine of version 2, which the one at `{0}` is not: run `vault kv enable-versioning {0}`, \
         or mount another one by `vault secrets enable -version=2 -path=NAME kv`"
    )]
    Unversioned(String),
    #[error("Vault is sealed, or cannot serve now (503)")]
    Sealed,
    #[error("Vault redirects ({0}), which is not followed: VAULT_ADDR must lead to the active server")]
    Redirects(u16),
    #[error("Vault answers {status}: {text}")]
    Status { status: u16, text: String },
    #[error("Vault cannot be reached: {0}")]
    Unreachable(String),
    #[error("Vault does not answer in time")]
    TimedOut,
    #[error("Vault was away a moment ago and is not asked yet")]
    Resting,
    #[error("Vault's answer is not that of a KV engine of version 2")]
    Nonsense,
    #[error("what lies at the path was not written by AgentIdP")]
    NotOurs,
    #[error("other writers were first, time after time")]
    Outrun,
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
}

impl VaultError {
    /// Whether the configuration does not fit this Vault: waiting would not mend it.
    pub const fn is_mistake(&self) -> bool {
        matches!(
            self,
            Self::Refused
                | Self::LoginRefused { .. }
                | Self::NoEngine(_)
                | Self::Unversioned(_)
                | Self::Redirects(_)
                | Self::Client(_)
        )
    }

    /// Whether Vault as a whole is away or in trouble, so that the next question would fare alike.
    pub(super) const fn is_away(&self) -> bool {
        match self {
            Self::Sealed | Self::Unreachable(_) | Self::TimedOut => true,
            Self::Status { status, .. } => *status >= 500,
            _ => false,
        }
    }
}

impl From<ClientError> for VaultError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::APIError { code, errors } => refusal(code, &errors),
            ClientError::RestClientError { source } => transport(source),
            _ => Self::Nonsense,
        }
    }
}

fn refusal(code: u16, errors: &[String]) -> VaultError {
    let text = || errors.join("; ").chars().take(MAX_TEXT).collect();
    match code {
        404 if errors.is_empty() => VaultError::Missing,
        404 => VaultError::NoEngine(text()),
        403 => VaultError::Refused,
        503 => VaultError::Sealed,
        400 if errors.iter().any(|error| error.contains("check-and-set")) => VaultError::Conflict,
        status => VaultError::Status { status, text: text() },
    }
}

fn transport(error: rustify::errors::ClientError) -> VaultError {
    use rustify::errors::ClientError as Transport;
    match error {
        Transport::ServerResponseError { code: 404, content: Some(content) } if has_ended(&content) => {
            VaultError::Missing
        }
        Transport::ServerResponseError { code: code @ 300..=399, .. } => VaultError::Redirects(code),
        Transport::ServerResponseError { code, .. } => {
            VaultError::Status { status: code, text: "an answer that is not Vault's".to_owned() }
        }
        Transport::RequestError { source, .. } | Transport::ResponseError { source } => {
            if source.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout) {
                VaultError::TimedOut
            } else {
                // The innermost cause says it shortest; none of them holds more than the address.
                VaultError::Unreachable(source.root_cause().to_string())
            }
        }
        _ => VaultError::Nonsense,
    }
}

/// Whether the body of a 404 tells of a version that was deleted or destroyed. Any other body may come from anybody.
fn has_ended(body: &str) -> bool {
    #[derive(Deserialize)]
    struct Body {
        data: Version,
    }
    #[derive(Deserialize)]
    struct Version {
        data: Option<Value>,
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        destroyed: bool,
        deletion_time: String,
    }
    let version = serde_json::from_str(body).map(|body: Body| body.data);
    version.is_ok_and(|version| {
        version.data.is_none() && (version.metadata.destroyed || !version.metadata.deletion_time.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_found(body: &str) -> VaultError {
        transport(rustify::errors::ClientError::ServerResponseError { code: 404, content: Some(body.to_owned()) })
    }

    #[test]
    fn only_vault_itself_says_that_a_version_has_ended() {
        let version = |data: &str, destroyed: bool, deletion_time: &str| {
            format!(
                r#"{{"data":{{"data":{data},"metadata":{{"destroyed":{destroyed},"deletion_time":"{deletion_time}"}}}}}}"#
            )
        };
        assert_eq!(not_found(&version("null", true, "")), VaultError::Missing);
        assert_eq!(not_found(&version("null", false, "2026-01-01T00:00:00Z")), VaultError::Missing);
        for body in ["", "{}", "<html>not found</html>", &version("null", false, ""), &version("{}", true, "")] {
            assert!(matches!(not_found(body), VaultError::Status { status: 404, .. }), "{body}");
        }
    }

    #[test]
    fn a_path_without_an_engine_is_not_an_empty_one() {
        assert_eq!(refusal(404, &[]), VaultError::Missing);
        assert!(matches!(refusal(404, &["no handler for route".to_owned()]), VaultError::NoEngine(_)));
    }

    #[test]
    fn texts_of_vault_are_cut() {
        let VaultError::Status { text, .. } = refusal(500, &["é".repeat(1000)]) else { panic!("a status") };
        assert_eq!(text.chars().count(), MAX_TEXT);
    }
}
