//! The keys of one use.

use super::KeyError;
use super::seal::{self, SealingKey};
use agentidp_core::domain::key::{KeyState, KeyUse, StoredKey};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::clock::Clock;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// What a key is inside. It does not change while the key lives.
pub trait Material: Send + Sync + Sized {
    /// What such keys sign.
    const USAGE: KeyUse;

    /// Parses the opened private half of `row`; none if it is not the key that the row names. The public half is taken
    /// from the private one: the row's own is not trusted.
    fn parse(row: &StoredKey, private: &[u8]) -> Option<Self>;
}

/// A key in memory, and its row without the private half.
struct OpenKey<M> {
    material: Arc<M>,
    row: StoredKey,
}

impl<M> Clone for OpenKey<M> {
    fn clone(&self) -> Self {
        Self { material: Arc::clone(&self.material), row: self.row.clone() }
    }
}

impl<M: Material> OpenKey<M> {
    fn open(row: &StoredKey, sealing: &[SealingKey]) -> Result<Self, KeyError> {
        let private = seal::open(row, sealing)?;
        let material = M::parse(row, &private).ok_or_else(|| KeyError::Mismatch { kid: row.kid.clone() })?;
        Ok(Self { material: Arc::new(material), row: without_private(row) })
    }

    /// This key with the dates of `row`, if that is the same key: a `kid` names one key for ever.
    fn with_dates_of(&self, row: &StoredKey) -> Option<Self> {
        (self.row.kid == row.kid && self.row.algorithm == row.algorithm)
            .then(|| Self { material: Arc::clone(&self.material), row: without_private(row) })
    }

    fn as_stored_in(&self, rows: &[&StoredKey]) -> Option<Self> {
        rows.iter().find_map(|row| self.with_dates_of(row))
    }

    fn verifies(&self, now: Timestamp) -> bool {
        self.row.revoked_at.is_none_or(|at| at > now)
    }

    fn signs(&self, now: Timestamp) -> bool {
        self.row.active_from <= now && self.verifies(now)
    }
}

fn without_private(row: &StoredKey) -> StoredKey {
    StoredKey { sealed_private: Vec::new(), ..row.clone() }
}

/// The keys of one use and one issuer, newest first.
pub struct Ring<M> {
    issuer: String,
    sealing: Vec<SealingKey>,
    clock: Arc<dyn Clock>,
    keys: ArcSwap<Vec<OpenKey<M>>>,
}

impl<M: Material> Ring<M> {
    /// Opens every key of this use that is not revoked and has not left the key set.
    ///
    /// # Errors
    /// A key that does not open: it says which, and what to do.
    pub fn open(
        stored: &[StoredKey],
        sealing: &[SealingKey],
        issuer: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyError> {
        let keys = open_all(&live::<M>(stored, clock.now()), sealing, &[])?;
        Ok(Self { issuer: issuer.into(), sealing: sealing.to_vec(), clock, keys: ArcSwap::from_pointee(keys) })
    }

    /// Takes the keys as they are stored now. Those that are in memory already are not opened again.
    ///
    /// # Errors
    /// A key does not open. Then the keys in memory stay, but for those that are revoked, ended or gone.
    pub fn replace(&self, stored: &[StoredKey]) -> Result<(), KeyError> {
        let (known, live) = (self.keys.load(), live::<M>(stored, self.clock.now()));
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

    /// Who signs with these keys.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key that signs now.
    pub fn signing(&self) -> Option<Arc<M>> {
        let now = self.clock.now();
        self.keys.load().iter().find(|key| key.signs(now)).map(|key| Arc::clone(&key.material))
    }

    /// The key that verifies now and that `wanted` picks.
    pub fn find(&self, wanted: impl Fn(&M) -> bool) -> Option<Arc<M>> {
        let now = self.clock.now();
        let keys = self.keys.load();
        let key = keys.iter().find(|key| wanted(&key.material) && key.verifies(now));
        key.map(|key| Arc::clone(&key.material))
    }

    /// The keys that verify now, newest first.
    pub fn verifying(&self) -> Vec<Arc<M>> {
        let now = self.clock.now();
        self.keys.load().iter().filter(|key| key.verifies(now)).map(|key| Arc::clone(&key.material)).collect()
    }
}

impl<M> std::fmt::Debug for Ring<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ring")
    }
}

/// The keys of this use that sign or verify, or will.
fn live<M: Material>(stored: &[StoredKey], now: Timestamp) -> Vec<&StoredKey> {
    let lives = |key: &&StoredKey| {
        key.usage == M::USAGE && !matches!(key.state(stored, now), KeyState::Revoked | KeyState::Ended)
    };
    stored.iter().filter(lives).collect()
}

fn open_all<M: Material>(
    live: &[&StoredKey],
    sealing: &[SealingKey],
    known: &[OpenKey<M>],
) -> Result<Vec<OpenKey<M>>, KeyError> {
    let open = |row: &StoredKey| match known.iter().find_map(|key| key.with_dates_of(row)) {
        Some(key) => Ok(key),
        None => OpenKey::open(row, sealing),
    };
    live.iter().copied().map(open).collect::<Result<_, _>>().map(newest_first)
}

fn newest_first<M>(mut keys: Vec<OpenKey<M>>) -> Vec<OpenKey<M>> {
    keys.sort_by(|a, b| b.row.age().cmp(&a.row.age()));
    keys
}
