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

use crate::signing_keys::Ring;
use keys::RootKey;

pub use bounds::MAX_BYTES;
pub use keys::{RootKeyFactory, generate};

/// The root keys of one issuer. Mints and reads Biscuits.
pub type BiscuitRing = Ring<RootKey>;
