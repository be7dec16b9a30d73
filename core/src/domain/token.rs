//! What a token says (RFC 9068) and when it still counts.

use super::agent::{Agent, Owner};
use super::credential::{Credential, CredentialStatus};
use super::ids::{AgentId, CredentialId, TokenId};
use super::scope::ScopeSet;
use super::time::Timestamp;
use std::time::Duration;

/// How far the clock of the replica that issued a token may run ahead of the one that reads it. Expiry has no leeway.
pub const CLOCK_LEEWAY: Duration = Duration::from_secs(5);

/// The claims of an access token. Times are whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub issuer: String,
    pub subject: AgentId,
    pub audience: Vec<String>,
    pub issued_at: Timestamp,
    pub not_before: Timestamp,
    pub expires_at: Timestamp,
    pub id: TokenId,
    pub scopes: ScopeSet,
    /// The owner at the time of issue; what counts is the owner in the database row.
    pub owner: Owner,
    pub credential: CredentialId,
    /// See [`generation`].
    pub generation: i64,
}

/// The `gen` claim of a token issued now: the agent's generation plus that of the credential. Both only ever rise, so
/// the sum is what it was exactly if neither has moved, and one claim tells both.
pub const fn generation(agent: &Agent, credential: &Credential) -> i64 {
    agent.generation.saturating_add(credential.generation)
}

/// What the database says, at one moment, of everything that a token's life hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub agent: Agent,
    pub credential: Credential,
    /// Whether the token itself was revoked.
    pub revoked: bool,
}

impl Standing {
    /// Whether a token with a good signature and these claims counts at `now`.
    pub fn keeps_alive(&self, claims: &Claims, now: Timestamp) -> bool {
        let in_time = claims.not_before <= now.after(CLOCK_LEEWAY) && now < claims.expires_at;
        in_time
            && !self.revoked
            && self.agent.is_active()
            && self.credential.status(now) == CredentialStatus::Active
            && generation(&self.agent, &self.credential) == claims.generation
    }
}
