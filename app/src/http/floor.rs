//! One floor under the time of all failed client authentications, so that time does not tell them apart.

use agentidp_core::services::clients::LegacyPresence;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The floor while no legacy credential is in use: well above a look-up and an HMAC.
const BASE: Duration = Duration::from_millis(15);

/// A client with several legacy credentials costs several comparisons, and comparisons may have to wait for each other:
/// the floor rises to what was seen, up to this.
const HIGHEST: Duration = Duration::from_secs(3);

/// How long a failed client authentication takes at least.
pub struct FailureFloor {
    legacy: Arc<LegacyPresence>,
    /// The cost of verifying a legacy secret.
    legacy_cost: Duration,
    /// The longest failure seen while legacy credentials are in use, in microseconds; a sixteenth is forgotten at each
    /// failure.
    seen: AtomicU64,
}

impl FailureFloor {
    /// A floor that is raised to `legacy_cost` while legacy credentials are in use.
    pub fn new(legacy: Arc<LegacyPresence>, legacy_cost: Duration) -> Self {
        Self { legacy, legacy_cost, seen: AtomicU64::new(0) }
    }

    /// Waits until a failure of an authentication that began at `start` may be told.
    pub async fn wait(&self, start: Instant) {
        let floor = if self.legacy.is_there() { self.legacy_floor(start.elapsed()) } else { BASE };
        sleep_until(start.checked_add(floor).unwrap_or(start)).await;
    }

    fn legacy_floor(&self, took: Duration) -> Duration {
        let took = u64::try_from(took.min(HIGHEST).as_micros()).unwrap_or(u64::MAX);
        let fade = |seen: u64| seen.saturating_sub(seen >> 4);
        let before = self.seen.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| Some(fade(seen).max(took)));
        let seen = Duration::from_micros(fade(before.unwrap_or(0)).max(took));
        BASE.max(self.legacy_cost).max(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_rises_to_what_was_seen_and_sinks_again() {
        let cost = Duration::from_millis(100);
        let floor = FailureFloor::new(Arc::default(), cost);
        assert_eq!(floor.legacy_floor(Duration::from_millis(5)), cost);
        assert_eq!(floor.legacy_floor(Duration::from_millis(800)), Duration::from_millis(800));
        let next = floor.legacy_floor(Duration::from_millis(5));
        assert!(next > Duration::from_millis(700) && next < Duration::from_millis(800), "{next:?}");
        let after = (0..50).map(|_| floor.legacy_floor(Duration::ZERO)).next_back();
        assert_eq!(after, Some(cost));
        assert_eq!(floor.legacy_floor(Duration::from_secs(60)), HIGHEST);
    }
}
