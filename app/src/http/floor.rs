//! One floor under the time of all failed client authentications, so that time does not tell them apart.

use agentidp_core::services::clients::LegacyPresence;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The floor while no legacy credential is in use: well above a look-up and an HMAC.
const BASE: Duration = Duration::from_millis(15);

/// A client with several legacy credentials costs several comparisons, and comparisons may have to wait for each other:
/// the floor rises to what was seen, up to this.
const HIGHEST: Duration = Duration::from_secs(3);

/// How fast what was seen is forgotten: a sixteenth at the end of each such time, so that nobody sees it sink between
/// two attempts.
const FADES_EVERY: Duration = Duration::from_secs(60);

/// How long a failed client authentication takes at least.
pub struct FailureFloor {
    legacy: Arc<LegacyPresence>,
    /// The cost of verifying a legacy secret.
    legacy_cost: Duration,
    /// The longest failure seen while legacy credentials are in use, and since when it holds.
    seen: Mutex<(Duration, Instant)>,
}

impl FailureFloor {
    /// A floor that is raised to `legacy_cost` while legacy credentials are in use.
    pub fn new(legacy: Arc<LegacyPresence>, legacy_cost: Duration) -> Self {
        Self { legacy, legacy_cost, seen: Mutex::new((Duration::ZERO, Instant::now())) }
    }

    /// Waits until a failure of an authentication that began at `start` may be told.
    pub async fn wait(&self, start: Instant) {
        let floor = if self.legacy.is_there() { self.legacy_floor(start.elapsed(), Instant::now()) } else { BASE };
        sleep_until(start.checked_add(floor).unwrap_or(start)).await;
    }

    fn legacy_floor(&self, took: Duration, now: Instant) -> Duration {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while now.saturating_duration_since(seen.1) >= FADES_EVERY && !seen.0.is_zero() {
            let kept = seen.0.saturating_sub(seen.0.checked_div(16).unwrap_or_default());
            *seen = (if kept < BASE { Duration::ZERO } else { kept }, seen.1.checked_add(FADES_EVERY).unwrap_or(now));
        }
        if took.min(HIGHEST) >= seen.0 {
            *seen = (took.min(HIGHEST), now);
        }
        BASE.max(self.legacy_cost).max(seen.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_rises_to_what_was_seen_and_sinks_slowly() {
        let (cost, start) = (Duration::from_millis(100), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let floor = FailureFloor::new(Arc::default(), cost);
        assert_eq!(floor.legacy_floor(Duration::from_millis(5), start), cost);
        assert_eq!(floor.legacy_floor(Duration::from_millis(800), start), Duration::from_millis(800));
        assert_eq!(floor.legacy_floor(Duration::from_millis(5), after(59)), Duration::from_millis(800));
        assert_eq!(floor.legacy_floor(Duration::from_millis(5), after(60)), Duration::from_millis(750));
        assert_eq!(floor.legacy_floor(Duration::ZERO, after(7_200)), cost);
        assert_eq!(floor.legacy_floor(Duration::from_secs(60), after(7_201)), HIGHEST);
    }
}
