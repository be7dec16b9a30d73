//! Time and randomness that a test holds in its hand.

use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::clock::{Clock, Entropy};
use agentidp_core::services::Ambient;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// 2026-01-15T12:00:00.250Z: not on a full second, so that what is cut off shows.
pub const START_MILLIS: i64 = 1_768_478_400_250;

/// A clock that goes when it is told to.
pub struct HandClock(AtomicI64);

impl HandClock {
    pub fn at_start() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(START_MILLIS)))
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub fn set(&self, to: Timestamp) {
        self.0.store(to.unix_millis(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Counts up, so that ids made in one millisecond sort in the order in which they were made.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        let kept = number.len().min(bytes.len());
        let start = bytes.len() - kept;
        bytes.fill(0);
        bytes[start..].copy_from_slice(&number[number.len() - kept..]);
    }
}

pub fn ambient(clock: &Arc<HandClock>) -> Ambient {
    Ambient { clock: clock.clone(), entropy: Arc::new(Counter::default()) }
}
