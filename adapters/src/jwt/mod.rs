//! Tokens as JWTs (RFC 7519, RFC 9068): the keys in memory, what signs with them and what reads by them.
//!
//! Signing goes straight to aws-lc-rs with a key that is parsed once; jsonwebtoken checks signatures and nothing else,
//! because its idea of a valid claim is laxer than ours. A token has exactly one spelling: headers are compared byte for
//! byte with those written here, base64 is canonical, and ECDSA signatures have the lower of their two forms.

mod claims;
mod keys;
mod low_s;
mod public;
mod seal;
mod sign;
mod signed;
mod verify;

use agentidp_core::domain::key::{KeyState, StoredKey};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::clock::Clock;
use arc_swap::ArcSwap;
use keys::OpenKey;
use std::sync::Arc;

pub use keys::{KeyError, KeyFactory, generate};
pub use seal::{SealingKey, reseal};

/// Longest token that is written or read, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The signing keys of one issuer. Signs and reads tokens.
pub struct KeyRing {
    issuer: String,
    sealing: Vec<SealingKey>,
    clock: Arc<dyn Clock>,
    /// Newest first.
    keys: ArcSwap<Vec<OpenKey>>,
}

impl KeyRing {
    /// Opens every key that is not revoked and has not left the key set.
    ///
    /// # Errors
    /// A key that does not open: it says which, and what to do.
    pub fn open(
        stored: Vec<StoredKey>,
        sealing: &[SealingKey],
        issuer: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyError> {
        let keys = open_all(&live(&stored, clock.now()), sealing, &[])?;
        Ok(Self { issuer: issuer.into(), sealing: sealing.to_vec(), clock, keys: ArcSwap::from_pointee(keys) })
    }

    /// Takes the keys as they are stored now. Those that are in memory already are not opened again.
    ///
    /// # Errors
    /// A key does not open. Then the keys in memory stay, but for those that are revoked, ended or gone.
    pub fn replace(&self, stored: &[StoredKey]) -> Result<(), KeyError> {
        let (known, live) = (self.keys.load(), live(stored, self.clock.now()));
        match open_all(&live, &self.sealing, &known) {
            Ok(keys) => {
                self.keys.store(Arc::new(keys));
                Ok(())
            }
            Err(error) => {
                let kept = known.iter().filter_map(|key| key.as_stored_in(&live)).collect();
                self.keys.store(Arc::new(newest_first(kept)));
                Err(error)
            }
        }
    }
}

/// The keys that sign or verify, or will.
fn live(stored: &[StoredKey], now: Timestamp) -> Vec<&StoredKey> {
    let lives = |key: &&StoredKey| !matches!(key.state(stored, now), KeyState::Revoked | KeyState::Ended);
    stored.iter().filter(lives).collect()
}

fn open_all(live: &[&StoredKey], sealing: &[SealingKey], known: &[OpenKey]) -> Result<Vec<OpenKey>, KeyError> {
    let open = |row: &StoredKey| match known.iter().find_map(|key| key.with_dates_of(row)) {
        Some(key) => Ok(key),
        None => OpenKey::open(row, sealing),
    };
    live.iter().copied().map(open).collect::<Result<_, _>>().map(newest_first)
}

fn newest_first(mut keys: Vec<OpenKey>) -> Vec<OpenKey> {
    keys.sort_by(|a, b| b.age().cmp(&a.age()));
    keys
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing")
    }
}
