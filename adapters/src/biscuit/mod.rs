//! Tokens as Biscuits: minted, read, and their checks decided.
//!
//! biscuit-auth does the signatures and runs the checks. What stands before it is here: a Biscuit has one spelling,
//! only Ed25519 and no block of a third party, and no more work in its checks than can be done at once, for the library
//! looks at the time only between two checks. docs/BISCUIT.md is the vocabulary as its users see it.

mod bounds;
mod checks;
mod keys;
mod mint;
mod read;
mod vocabulary;

use crate::signing_keys::{KeyError, Ring, SealingKey};
use agentidp_core::domain::key::StoredKey;
use agentidp_core::ports::clock::Clock;
use keys::RootKey;
use std::sync::Arc;

pub use bounds::MAX_BYTES;
pub use keys::{RootKeyFactory, generate};

/// The root keys of one issuer. Mints and reads Biscuits.
pub struct BiscuitRing {
    issuer: String,
    keys: Ring<RootKey>,
}

impl BiscuitRing {
    /// Opens every root key that is not revoked and has not left the key set.
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

impl std::fmt::Debug for BiscuitRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BiscuitRing")
    }
}
