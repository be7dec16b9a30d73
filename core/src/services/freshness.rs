//! Whether this process knows what others changed.
//!
//! Life and rights of tokens, agents and credentials are read from the database at every request. What a process holds
//! in memory, the signing keys above all, it reads again every second; while it cannot, it must not judge by it.

use crate::domain::time::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::storage::StoreError;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// What was read longer ago is not known any more.
pub const MAX_AGE: Duration = Duration::from_secs(5);

/// When the changes of others were read.
pub struct Freshness {
    clock: Arc<dyn Clock>,
    read_at: AtomicI64,
}

/// They were not read for too long.
#[derive(Debug, thiserror::Error)]
#[error("what other processes changed could not be read for {} seconds", MAX_AGE.as_secs())]
struct Outdated;

impl Freshness {
    /// For a process that reads them now.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let read_at = AtomicI64::new(clock.now().unix_millis());
        Self { clock, read_at }
    }

    /// They were read: all that was changed before `at` is known.
    pub fn read(&self, at: Timestamp) {
        self.read_at.store(at.unix_millis(), Ordering::Relaxed);
    }

    /// Must come before anything is judged by what is in memory. A clock that was set back does not tell the age: until
    /// the next reading nothing is known.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nothing is known.
    pub fn check(&self) -> Result<(), StoreError> {
        let (now, read_at) = (self.clock.now(), Timestamp::from_unix_millis(self.read_at.load(Ordering::Relaxed)));
        if read_at <= now && now.since(read_at) <= MAX_AGE {
            Ok(())
        } else {
            Err(StoreError::Unavailable(Box::new(Outdated)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct HandClock(AtomicI64);

    impl Clock for HandClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix_millis(self.0.load(Ordering::SeqCst))
        }
    }

    #[test]
    fn what_was_read_is_known_for_five_seconds() {
        let clock = Arc::new(HandClock(AtomicI64::new(100_000)));
        let freshness = Freshness::new(clock.clone());
        let known = |at: i64| {
            clock.0.store(at, Ordering::SeqCst);
            freshness.check().is_ok()
        };
        assert_eq!([known(100_000), known(105_000), known(105_001)], [true, true, false]);
        freshness.read(Timestamp::from_unix_millis(104_000));
        assert_eq!([known(105_001), known(109_000), known(109_001)], [true, true, false]);
        assert!(!known(103_999), "the clock was set back");
        freshness.read(Timestamp::from_unix_millis(103_999));
        assert!(known(103_999));
    }
}
