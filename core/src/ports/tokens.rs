//! Signing and reading of tokens.

use super::Source;
use crate::domain::key::StoredKey;
use crate::domain::time::Timestamp;
use crate::domain::token::Claims;

/// The text of a token, as it goes over the wire. `Debug` prints nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(pub String);

impl std::fmt::Debug for TokenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenText")
    }
}

/// No token can be signed.
#[derive(Debug, thiserror::Error)]
#[error("no token can be signed: {0}")]
pub struct SignError(pub String);

/// Signs tokens. No I/O: keys are in memory.
pub trait TokenSigner: Send + Sync {
    /// Signs `claims` with the key that is active now.
    ///
    /// # Errors
    /// There is no such key, or it does not sign.
    fn sign(&self, claims: &Claims) -> Result<TokenText, SignError>;
}

/// No signing key can be made.
#[derive(Debug, thiserror::Error)]
#[error("no signing key can be made")]
pub struct MakeKeyError(#[source] pub Source);

/// Makes signing keys.
pub trait KeyMaker: Send + Sync {
    /// Makes a key that signs from `active_from` on, sealed as it is stored. No two MUST be the same.
    ///
    /// # Errors
    /// There is no randomness.
    fn make(&self, created_at: Timestamp, active_from: Timestamp) -> Result<StoredKey, MakeKeyError>;
}

/// Reads tokens. No I/O: keys are in memory.
pub trait TokenVerifier: Send + Sync {
    /// The claims of a token that this issuer signed, or none. It MUST be none for another signature, algorithm, type,
    /// issuer or key, for a claim of another type, and for every spelling of the token but the one that was issued.
    /// Time and audience are the caller's to judge.
    fn read(&self, token: &str) -> Option<Claims>;

    /// The public halves of all keys that verify, as a JWK Set (RFC 7517 §5), in JSON.
    fn key_set(&self) -> String;
}
