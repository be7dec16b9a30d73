//! Tokens as JWTs (RFC 7519, RFC 9068): the keys in memory, what signs with them and what reads by them.
//!
//! Signing goes straight to aws-lc-rs with a key that is parsed once; jsonwebtoken checks signatures and nothing else,
//! because its idea of a valid claim is laxer than ours. A token has exactly one spelling: headers are compared byte
//! for byte with those written here, base64 is canonical, and ECDSA signatures have the lower of their two forms.

mod claims;
mod keys;
mod low_s;
mod public;
mod sign;
mod signed;
mod verify;

use crate::signing_keys::Ring;
use agentidp_core::domain::key::StoredKey;
use agentidp_core::ports::clock::Clock;
use keys::Material;
use std::sync::Arc;

pub use crate::signing_keys::{KeyError, SealingKey, reseal};
pub use keys::{KeyFactory, generate};

/// Longest token that is written or read, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The signing keys of one issuer. Signs and reads tokens.
pub struct KeyRing {
    issuer: String,
    keys: Ring<Material>,
}

impl KeyRing {
    /// Opens every key of JWTs that is not revoked and has not left the key set.
    ///
    /// # Errors
    /// A key that does not open: it says which, and what to do.
    pub fn open(
        stored: &[StoredKey],
        sealing: &[SealingKey],
        issuer: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyError> {
        Ok(Self { issuer: issuer.into(), keys: Ring::open(stored, sealing, clock)? })
    }

    /// Takes the keys as they are stored now. Those that are in memory already are not opened again.
    ///
    /// # Errors
    /// A key does not open. Then the keys in memory stay, but for those that are revoked, ended or gone.
    pub fn replace(&self, stored: &[StoredKey]) -> Result<(), KeyError> {
        self.keys.replace(stored)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing")
    }
}
