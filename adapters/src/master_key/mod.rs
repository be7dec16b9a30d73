//! The master key: 32 bytes that are in no database, from which every key is derived that protects rows.
//!
//! Each use has a subkey of its own (HKDF-SHA-256, RFC 5869), so that no two algorithms share key bytes, and rows name
//! the master key by an id that tells nothing of it. While a key is being replaced the one before it is read as well.

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Length of the master key and of each subkey, in bytes.
pub const KEY_LENGTH: usize = 32;

/// A promise to every stored row, like the `info` texts below: another value is another key.
const SALT: &[u8] = b"agentidp master key v1";
const ID_LENGTH: usize = 16;

/// A subkey. Wiped when dropped.
pub type Subkey = Zeroizing<[u8; KEY_LENGTH]>;

/// A text is no master key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    #[error("is not base64; make one with `openssl rand -base64 32`")]
    NotBase64,
    #[error("must be 32 bytes in base64, not {0}; make one with `openssl rand -base64 32`")]
    WrongLength(usize),
    #[error("the key derivation failed")]
    Derivation,
}

/// A master key, as the subkeys derived from it. The key itself is wiped once it is parsed, they are when dropped.
#[derive(Clone)]
pub struct MasterKey {
    id: String,
    digest_pepper: Subkey,
    signing_key_sealing: Subkey,
}

/// The master key that writes, and the one before it while rows still name that.
#[derive(Debug, Clone)]
pub struct MasterKeys {
    pub current: MasterKey,
    pub previous: Option<MasterKey>,
}

impl MasterKey {
    /// Derives the subkeys of 32 random bytes.
    ///
    /// # Errors
    /// [`MasterKeyError::Derivation`], which the library allows for and does not do.
    pub fn from_bytes(bytes: &[u8; KEY_LENGTH]) -> Result<Self, MasterKeyError> {
        let prk = Salt::new(HKDF_SHA256, SALT).extract(bytes);
        let mut id = hex::encode(subkey(&prk, b"agentidp key id")?.as_slice());
        id.truncate(ID_LENGTH);
        Ok(Self {
            id,
            digest_pepper: subkey(&prk, b"agentidp digest pepper")?,
            signing_key_sealing: subkey(&prk, b"agentidp signing key sealing")?,
        })
    }

    /// What rows call this key: 16 hexadecimal characters.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key under which secrets are digested.
    pub const fn digest_pepper(&self) -> &Subkey {
        &self.digest_pepper
    }

    /// The key under which signing keys are sealed.
    pub const fn signing_key_sealing(&self) -> &Subkey {
        &self.signing_key_sealing
    }
}

fn subkey(prk: &Prk, info: &[u8]) -> Result<Subkey, MasterKeyError> {
    let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
    prk.expand(&[info], HKDF_SHA256)
        .and_then(|okm| okm.fill(bytes.as_mut_slice()))
        .map_err(|_| MasterKeyError::Derivation)?;
    Ok(bytes)
}

impl std::str::FromStr for MasterKey {
    type Err = MasterKeyError;

    /// Reads exactly 32 bytes in base64 (RFC 4648 §4), padded.
    fn from_str(text: &str) -> Result<Self, MasterKeyError> {
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| MasterKeyError::NotBase64)?);
        let exact: &[u8; KEY_LENGTH] =
            bytes.as_slice().try_into().map_err(|_| MasterKeyError::WrongLength(bytes.len()))?;
        Self::from_bytes(exact)
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey")
    }
}

impl MasterKeys {
    /// All keys that may be named by a row, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &MasterKey> {
        std::iter::once(&self.current).chain(self.previous.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn stored_rows_depend_on_these_values() {
        let key: MasterKey = TEXT.parse().unwrap();
        assert_eq!(key.id(), STORED_ID);
        assert_eq!(hex::encode(key.digest_pepper().as_slice()), STORED_PEPPER);
        assert_eq!(hex::encode(key.signing_key_sealing().as_slice()), STORED_SEALING);
    }

    // Computed once with Python's `hmac` by the formula of RFC 5869.
    const STORED_ID: &str = "0eea6696eb8ee92f";
    const STORED_PEPPER: &str = "a9e99564a7f95843f1b12bc6aa630cddf9be6d2db4d737651b46ef7fab6c624b";
    const STORED_SEALING: &str = "b2d589cfea89727d78608b5a0d0b3f652dc753000a5a4a20116c00e590fa5865";

    #[test]
    fn another_master_key_has_other_subkeys() {
        let (a, b) = (MasterKey::from_bytes(&[1; 32]).unwrap(), MasterKey::from_bytes(&[2; 32]).unwrap());
        assert_ne!(a.id(), b.id());
        assert_ne!(a.digest_pepper(), b.digest_pepper());
        assert_ne!(a.signing_key_sealing(), b.signing_key_sealing());
        assert_ne!(a.digest_pepper(), a.signing_key_sealing());
    }

    #[test]
    fn only_32_bytes_in_base64_are_a_key() {
        let wrong = |text: &str| text.parse::<MasterKey>().unwrap_err();
        assert_eq!(wrong(""), MasterKeyError::WrongLength(0));
        assert_eq!(wrong("AAEC"), MasterKeyError::WrongLength(3));
        assert_eq!(wrong(&STANDARD.encode([0; 33])), MasterKeyError::WrongLength(33));
        for text in ["not base64!", &TEXT[..43], &format!("{TEXT}\n"), &format!(" {TEXT}"), &"00".repeat(31)] {
            assert!(text.parse::<MasterKey>().is_err(), "{text:?} was taken");
        }
        assert!(wrong("AAEC").to_string().contains("openssl rand -base64 32"));
    }

    #[test]
    fn nothing_prints_a_key() {
        let current: MasterKey = TEXT.parse().unwrap();
        let text = format!("{:?}", MasterKeys { previous: Some(current.clone()), current });
        assert_eq!(text, "MasterKeys { current: MasterKey, previous: Some(MasterKey) }");
    }

    #[test]
    fn the_current_key_comes_first() {
        let keys = MasterKeys {
            current: MasterKey::from_bytes(&[1; 32]).unwrap(),
            previous: Some(MasterKey::from_bytes(&[2; 32]).unwrap()),
        };
        assert_eq!(keys.iter().map(MasterKey::id).collect::<Vec<_>>()[0], keys.current.id());
        assert_eq!(keys.iter().count(), 2);
    }
}
