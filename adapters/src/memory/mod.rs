//! Limits within this process, for a single replica or while the shared ones are away.

use agentidp_core::domain::rate::{ArrivalTime, PerMinute, RateDecision};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::clock::Clock;
use agentidp_core::ports::limits::{LimitError, RateLimiter};
use async_trait::async_trait;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Buckets that are kept unless told otherwise.
pub const DEFAULT_CAPACITY: usize = 100_000;
const SHARDS: usize = 64;

type Shard = HashMap<String, ArrivalTime>;

/// Buckets in memory. A bucket that is full again says the same as one that is not there, so those go first when room
/// is needed; after them the fullest, so that who is being held back stays held back.
pub struct MemoryLimiter {
    shards: Vec<Mutex<Shard>>,
    shard_capacity: usize,
    hasher: RandomState,
    clock: Arc<dyn Clock>,
}

impl MemoryLimiter {
    /// A limiter that keeps about `capacity` buckets, at least one in each of its shards.
    pub fn new(capacity: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_capacity: capacity.div_ceil(SHARDS).max(1),
            hasher: RandomState::new(),
            clock,
        }
    }

    /// How many buckets are kept now.
    pub fn buckets(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    fn shard(&self, bucket: &str) -> Result<MutexGuard<'_, Shard>, LimitError> {
        let number = self.hasher.hash_one(bucket).checked_rem(SHARDS as u64);
        let shard = number.and_then(|number| usize::try_from(number).ok()).and_then(|number| self.shards.get(number));
        shard.map(lock).ok_or_else(|| LimitError("there is no such shard".into()))
    }
}

/// A panic elsewhere cannot leave a bucket half written.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make_room(shard: &mut Shard, capacity: usize, now: Timestamp) {
    if shard.len() < capacity {
        return;
    }
    let now = now.unix_millis().saturating_mul(1_000);
    shard.retain(|_, arrival| arrival.0 > now);
    if shard.len() < capacity {
        return;
    }
    let fullest = shard.iter().min_by_key(|(_, arrival)| arrival.0).map(|(bucket, _)| bucket.clone());
    if let Some(bucket) = fullest {
        shard.remove(&bucket);
    }
}

#[async_trait]
impl RateLimiter for MemoryLimiter {
    async fn take(&self, bucket: &str, limit: PerMinute) -> Result<RateDecision, LimitError> {
        let mut shard = self.shard(bucket)?;
        // Asked under the lock: with two threads an older `now` must not follow a newer one.
        let now = self.clock.now();
        let known = shard.get(bucket).copied();
        let (decision, tat) = limit.decide(known, now, true);
        if let Some(slot) = shard.get_mut(bucket) {
            *slot = tat;
        } else {
            make_room(&mut shard, self.shard_capacity, now);
            shard.insert(bucket.to_owned(), tat);
        }
        Ok(decision)
    }

    async fn look(&self, bucket: &str, limit: PerMinute) -> Result<RateDecision, LimitError> {
        let shard = self.shard(bucket)?;
        Ok(limit.decide(shard.get(bucket).copied(), self.clock.now(), false).0)
    }
}

impl std::fmt::Debug for MemoryLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryLimiter")
    }
}
