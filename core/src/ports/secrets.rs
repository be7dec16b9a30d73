//! Verification and custody of client secrets.

use super::Source;
use crate::domain::credential::{Backend, SecretLocation, SecretRef};
use crate::domain::ids::{AgentId, CredentialId, WriteId};
use crate::domain::secret::{IssuedSecret, PresentedSecret};
use async_trait::async_trait;

/// Why a secret could not be verified or kept.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The backend is away, overloaded or answers nonsense. Nothing is known of the secret.
    #[error("the secrets backend is unavailable: {0}")]
    Unavailable(#[source] Source),
    /// The reference names a backend or a key that this process does not have.
    #[error("no backend is configured that can verify this secret: {0}")]
    NotConfigured(String),
}

/// Compares secrets. Every backend has one.
#[async_trait]
pub trait SecretVerifier: Send + Sync {
    /// Whether `presented` is the secret at `at`. A wrong, destroyed or unknown one MUST be `Ok(false)`; "I do not
    /// know" MUST be an error. The comparison MUST take the same time for every wrong secret.
    async fn verify(&self, at: &SecretRef, presented: &PresentedSecret) -> Result<bool, SecretError>;
}

/// Which credential a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretOwner {
    pub agent_id: AgentId,
    pub credential_id: CredentialId,
}

/// One attempt to keep a new secret of a credential.
///
/// Its id is made before anything is written and known to the database, so that what a process that died had written
/// can be found and undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretWrite {
    pub id: WriteId,
    pub owner: SecretOwner,
}

/// Keeps secrets that are made here. A version outside the database is valid only if a credential's row names it.
#[async_trait]
pub trait SecretStore: SecretVerifier {
    /// The backend that every reference it gives names.
    fn backend(&self) -> Backend;

    /// Where secrets of the credential are put; none: in its row alone. MUST be the location of what [`SecretStore::put`]
    /// gives.
    fn location(&self, owner: SecretOwner) -> Option<SecretLocation>;

    /// Keeps a new version of the credential's secret. Earlier versions MUST go on to verify, and none may be written
    /// over, however many write at once. Repeating a write MUST NOT leave two versions.
    async fn put(&self, write: SecretWrite, secret: &IssuedSecret) -> Result<SecretRef, SecretError>;

    /// Takes back what the write `id` has written at `location`, if it has: the version MUST NOT verify any more, every
    /// other MUST go on to verify. What was never written, or taken back before, MUST succeed; a location of another
    /// backend MUST be [`SecretError::NotConfigured`].
    async fn undo(&self, id: WriteId, location: &SecretLocation) -> Result<(), SecretError>;

    /// Destroys every version that lies at `location`. What is destroyed or was never kept MUST succeed; a location
    /// of another backend MUST be [`SecretError::NotConfigured`].
    async fn destroy(&self, location: &SecretLocation) -> Result<(), SecretError>;
}

/// Whether the system that keeps secrets answers.
#[async_trait]
pub trait SecretHealth: Send + Sync {
    /// Asks it, as a verification would. An error says what stands in the way.
    async fn ping(&self) -> Result<(), SecretError>;
}
