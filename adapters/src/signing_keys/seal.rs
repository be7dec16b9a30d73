//! Private keys at rest: AES-256-GCM under a subkey of the master key, as nonce (12 bytes), ciphertext and tag.

use super::KeyError;
use agentidp_core::domain::key::{SigningAlgorithm, StoredKey};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

/// The key under which signing keys are sealed, and what rows call it.
#[derive(Clone)]
pub struct SealingKey {
    key_id: String,
    bytes: Zeroizing<[u8; 32]>,
}

impl SealingKey {
    /// Takes the subkey of the master key `key_id`.
    pub fn new(key_id: impl Into<String>, bytes: &[u8; 32]) -> Self {
        Self { key_id: key_id.into(), bytes: Zeroizing::new(*bytes) }
    }

    /// What rows call it.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    fn cipher(&self) -> Option<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, self.bytes.as_slice()).ok()
    }

    /// Seals a private key for the row that names it so.
    ///
    /// # Errors
    /// [`KeyError::Cryptography`], for want of randomness.
    pub fn seal(&self, kid: &str, algorithm: SigningAlgorithm, private: &[u8]) -> Result<Vec<u8>, KeyError> {
        // Encrypted in place: what is dropped here is ciphertext.
        let mut text = Vec::with_capacity(private.len().saturating_add(64));
        text.extend_from_slice(private);
        let nonce = self
            .cipher()
            .and_then(|cipher| cipher.seal_in_place_append_tag(context(kid, algorithm), &mut text).ok())
            .ok_or(KeyError::Cryptography("a key does not seal"))?;
        Ok([nonce.as_ref().as_slice(), &text].concat())
    }

    fn open(&self, row: &StoredKey) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = row.sealed_private.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self.cipher()?.open_in_place(nonce, context(&row.kid, row.algorithm), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

/// What a sealed key is bound to: moved to another row it does not open.
fn context(kid: &str, algorithm: SigningAlgorithm) -> Aad<Vec<u8>> {
    Aad::from(format!("agentidp signing key\0{kid}\0{algorithm}").into_bytes())
}

/// Opens the private key of a row with the key that the row names.
pub(super) fn open(row: &StoredKey, sealing: &[SealingKey]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let key = sealing
        .iter()
        .find(|key| key.key_id == row.master_key_id)
        .ok_or_else(|| KeyError::UnknownMasterKey { kid: row.kid.clone(), master_key_id: row.master_key_id.clone() })?;
    key.open(row)
        .ok_or_else(|| KeyError::DoesNotOpen { kid: row.kid.clone(), master_key_id: row.master_key_id.clone() })
}

/// The same row sealed under `to`, while a master key is being replaced.
///
/// # Errors
/// The row does not open under any of `sealing`.
pub fn reseal(row: &StoredKey, sealing: &[SealingKey], to: &SealingKey) -> Result<StoredKey, KeyError> {
    let private = open(row, sealing)?;
    let sealed_private = to.seal(&row.kid, row.algorithm, &private)?;
    Ok(StoredKey { sealed_private, master_key_id: to.key_id.clone(), ..row.clone() })
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey")
    }
}
