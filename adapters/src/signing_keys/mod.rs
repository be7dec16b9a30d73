//! Signing keys in memory, whatever they sign: opened from their rows, and taken anew from time to time. This is what
//! JWTs and Biscuits share; what a key looks like inside is theirs.

mod ring;
mod seal;

pub use ring::{Material, Ring};
pub use seal::{SealingKey, reseal};

/// A signing key cannot be made or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "signing key `{kid}` is sealed under the master key `{master_key_id}`, which is not configured; \
         give that key as MASTER_KEY or MASTER_KEY_PREVIOUS"
    )]
    UnknownMasterKey { kid: String, master_key_id: String },
    #[error(
        "signing key `{kid}` does not open under the master key `{master_key_id}`, so its row was altered; \
         restore the row from a backup"
    )]
    DoesNotOpen { kid: String, master_key_id: String },
    #[error(
        "signing key `{kid}` holds another private key than its name and algorithm say; \
         restore the row from a backup"
    )]
    Mismatch { kid: String },
    #[error("the cryptographic library failed: {0}")]
    Cryptography(&'static str),
}
