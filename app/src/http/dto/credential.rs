//! Bodies of credentials.

use super::fields::{Fields, boolean, integer, text};
use super::page::{next_cursor, page_request};
use crate::http::error::Failure;
use agentidp_core::domain::credential::{self as domain, CredentialStatus, Rotation};
use agentidp_core::domain::page::{Page, PageRequest};
use agentidp_core::domain::text::Invalid;
use agentidp_core::domain::time::Timestamp;
use poem_openapi::Object;
use serde_json::Value;
use std::time::Duration;

/// Longest grace of a replaced secret: a day.
const MAX_GRACE_SECONDS: i64 = 86_400;

/// A credential. Its secret is not part of it.
#[derive(Debug, Clone, Object)]
#[oai(rename_all = "camelCase")]
pub struct Credential {
    pub credential_id: String,
    /// The `agentId` of the agent.
    pub client_id: String,
    pub status: String,
    /// What verifies the secret.
    pub backend: String,
    pub created_at: String,
    /// Exact to a minute.
    pub last_used_at: Option<String>,
    pub expires_at: Option<String>,
    /// Until when a replaced secret still works.
    pub grace_until: Option<String>,
    pub revoked_at: Option<String>,
}

/// A credential and its secret, which is shown once.
#[derive(Debug, Clone, Object)]
#[oai(rename_all = "camelCase")]
pub struct CredentialWithSecret {
    #[oai(flatten)]
    pub credential: Credential,
    /// Keep it now: it cannot be read again. Null in the replay of an `Idempotency-Key`.
    pub client_secret: Option<String>,
}

/// What a new credential is to be.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", deny_unknown_fields)]
pub struct GenerateCredentialRequest {
    /// A future time; without it the credential does not expire.
    pub expires_at: Option<String>,
}

/// How a secret is replaced.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotateCredentialRequest {
    /// A future time; without it the expiry stays as it is.
    pub expires_at: Option<String>,
    /// How long the replaced secret goes on working; 0 ends every earlier secret at once.
    #[oai(default)]
    pub grace_seconds: i64,
    /// Whether tokens obtained with the credential die, because its secret leaked.
    #[oai(default)]
    pub void_tokens: bool,
}

/// A page of credentials, newest first.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub struct CredentialPage {
    pub data: Vec<Credential>,
    /// Give it as `cursor` to get the next page; null on the last one.
    pub next_cursor: Option<String>,
}

impl Credential {
    /// The credential as it stands at `now`.
    pub fn at(credential: &domain::Credential, now: Timestamp) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            credential_id: credential.id.to_string(),
            client_id: credential.agent_id.to_string(),
            status: credential.status(now).to_string(),
            backend: credential.secret.backend().to_string(),
            created_at: credential.created_at.to_string(),
            last_used_at: time(credential.last_used_at),
            expires_at: time(credential.expires_at),
            grace_until: time(credential.grace_until(now)),
            revoked_at: time(credential.revoked_at()),
        }
    }
}

impl CredentialWithSecret {
    /// The credential as it stands at `now`, with its secret or, in a replay, without.
    pub fn at(credential: &domain::Credential, now: Timestamp, client_secret: Option<String>) -> Self {
        Self { credential: Credential::at(credential, now), client_secret }
    }
}

impl CredentialPage {
    /// The page as it stands at `now`.
    pub fn at(page: &Page<domain::Credential>, now: Timestamp) -> Self {
        let data = page.items.iter().map(|credential| Credential::at(credential, now)).collect();
        Self { data, next_cursor: next_cursor(page) }
    }
}

/// Reads the body of a generation.
///
/// # Errors
/// Every invalid field.
pub fn expiry(body: Value, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
    let mut fields = Fields::of_object(body)?;
    let expires_at = fields.optional("expiresAt", |value| future(value, now));
    fields.finish(|| Some(expires_at))
}

/// Reads the body of a rotation.
///
/// # Errors
/// Every invalid field.
pub fn rotation(body: Value, now: Timestamp) -> Result<Rotation, Failure> {
    let mut fields = Fields::of_object(body)?;
    let expires_at = fields.optional("expiresAt", |value| future(value, now));
    let grace = fields.optional("graceSeconds", |value| integer(value, 0, MAX_GRACE_SECONDS));
    let void_tokens = fields.optional("voidTokens", boolean);
    let grace = Duration::from_secs(grace.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0));
    fields.finish(|| Some(Rotation { expires_at, grace, void_tokens: void_tokens.unwrap_or(false) }))
}

/// Reads the parameters of the list.
///
/// # Errors
/// Every invalid parameter.
pub fn credential_filter(mut fields: Fields) -> Result<(Option<CredentialStatus>, PageRequest), Failure> {
    let page = page_request(&mut fields);
    let status = fields.optional("status", text);
    fields.finish(|| Some((status, page?)))
}

fn future(value: &Value, now: Timestamp) -> Result<Timestamp, Invalid> {
    let at: Timestamp = text(value)?;
    if at > now { Ok(at) } else { Err(Invalid::new("must be in the future")) }
}
