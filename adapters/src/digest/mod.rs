//! The embedded backend: HMAC-SHA-256 of the secret under a pepper that is not in the database.
//!
//! A fast hash is enough, because the secrets made here have more than 256 random bits: there is nothing to guess. The
//! pepper makes a stolen database useless for verifying anything. A secret names its credential inside, so digests of
//! different credentials are never those of one text.

use agentidp_core::domain::credential::{Backend, SecretLocation, SecretRef};
use agentidp_core::domain::ids::WriteId;
use agentidp_core::domain::secret::{IssuedSecret, PresentedSecret};
use agentidp_core::ports::secrets::{SecretError, SecretOwner, SecretStore, SecretVerifier, SecretWrite};
use async_trait::async_trait;
use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;

/// A key of digests, and what rows call it.
#[derive(Clone)]
pub struct Pepper {
    key_id: String,
    key: hmac::Key,
}

impl Pepper {
    /// Takes the subkey of the master key `key_id`.
    pub fn new(key_id: impl Into<String>, bytes: &[u8; 32]) -> Self {
        Self { key_id: key_id.into(), key: hmac::Key::new(hmac::HMAC_SHA256, bytes) }
    }

    fn digest(&self, secret: &str) -> String {
        hex::encode(hmac::sign(&self.key, secret.as_bytes()))
    }
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pepper")
    }
}

/// Keeps secrets as digests; the reference itself is all there is to keep.
#[derive(Debug, Clone)]
pub struct DigestSecrets {
    current: Pepper,
    previous: Option<Pepper>,
}

impl DigestSecrets {
    /// Writes under `current`, reads under both.
    pub const fn new(current: Pepper, previous: Option<Pepper>) -> Self {
        Self { current, previous }
    }

    fn pepper(&self, key_id: &str) -> Result<&Pepper, SecretError> {
        std::iter::once(&self.current).chain(self.previous.as_ref()).find(|pepper| pepper.key_id == key_id).ok_or_else(
            || {
                SecretError::NotConfigured(format!(
                    "the digest is under the master key `{key_id}`; set it as MASTER_KEY_PREVIOUS"
                ))
            },
        )
    }
}

#[async_trait]
impl SecretVerifier for DigestSecrets {
    async fn verify(&self, at: &SecretRef, presented: &PresentedSecret) -> Result<bool, SecretError> {
        let SecretRef::Digest { key_id, mac } = at else {
            return Err(SecretError::NotConfigured(format!("a digest cannot verify a secret of `{}`", at.backend())));
        };
        let digest = self.pepper(key_id)?.digest(presented.expose());
        Ok(digest.as_bytes().ct_eq(mac.as_bytes()).into())
    }
}

#[async_trait]
impl SecretStore for DigestSecrets {
    fn backend(&self) -> Backend {
        Backend::Digest
    }

    fn location(&self, _: SecretOwner) -> Option<SecretLocation> {
        None
    }

    async fn put(&self, _: SecretWrite, secret: &IssuedSecret) -> Result<SecretRef, SecretError> {
        Ok(SecretRef::Digest { key_id: self.current.key_id.clone(), mac: self.current.digest(secret.expose()) })
    }

    async fn undo(&self, _: WriteId, location: &SecretLocation) -> Result<(), SecretError> {
        Err(foreign(location))
    }

    async fn destroy(&self, location: &SecretLocation) -> Result<(), SecretError> {
        Err(foreign(location))
    }
}

/// No digest has a location.
fn foreign(location: &SecretLocation) -> SecretError {
    SecretError::NotConfigured(format!("a digest does not lie in `{}`", location.backend))
}
