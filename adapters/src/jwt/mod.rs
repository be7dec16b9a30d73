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
use keys::Material;

pub use crate::signing_keys::{KeyError, SealingKey, reseal};
pub use keys::{KeyFactory, generate};

/// Longest token that is written or read, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The signing keys of JWTs of one issuer. Signs and reads tokens.
pub type KeyRing = Ring<Material>;
