//! One floor under the time of all failed client authentications, so that time does not tell them apart.

use agentidp_core::services::clients::LegacyPresence;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The floor while no legacy credential is in use: well above a look-up and an HMAC.
const BASE: Duration = Duration::from_millis(15);

/// The floor where secrets are kept in another system: above a look-up there, if it is near.
const FAR: Duration = Duration::from_millis(50);

/// A client with several legacy credentials costs several comparisons, and comparisons may have to wait for each other:
/// the floor rises to what was seen, up to this. So it does for a system that is not near.
const HIGHEST: Duration = Duration::from_secs(3);

/// How fast what was seen is forgotten: a sixteenth at the end of each such time, so that nobody sees it sink between
/// two attempts.
const FADES_EVERY: Duration = Duration::from_secs(60);

/// How long a failed client authentication takes at least.
pub struct FailureFloor {
    legacy: Arc<LegacyPresence>,
    /// The cost of verifying a legacy secret.
    legacy_cost: Duration,
    /// Whether secrets are kept in another system too.
    is_far: bool,
    /// The longest failure seen while failures differ in their cost, and since when it holds.
    seen: Mutex<(Duration, Instant)>,
}

impl FailureFloor {
    /// A floor that is raised to `legacy_cost` while legacy credentials are in use, and that is higher where secrets
    /// are kept in another system (`is_far`).
    pub fn new(legacy: Arc<LegacyPresence>, legacy_cost: Duration, is_far: bool) -> Self {
        Self { legacy, legacy_cost, is_far, seen: Mutex::new((Duration::ZERO, Instant::now())) }
    }

    /// Waits until a failure of an authentication that began at `start` may be told.
    pub async fn wait(&self, start: Instant) {
        let least = if self.is_far { FAR } else { BASE };
        let floor = match self.legacy.is_there() {
            true => self.raised(least.max(self.legacy_cost), start.elapsed(), Instant::now()),
            false if self.is_far => self.raised(least, start.elapsed(), Instant::now()),
            false => least,
        };
        sleep_until(start.checked_add(floor).unwrap_or(start)).await;
    }

    fn raised(&self, lowest: Duration, took: Duration, now: Instant) -> Duration {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while now.saturating_duration_since(seen.1) >= FADES_EVERY && !seen.0.is_zero() {
            let kept = seen.0.saturating_sub(seen.0.checked_div(16).unwrap_or_default());
            *seen = (if kept < BASE { Duration::ZERO } else { kept }, seen.1.checked_add(FADES_EVERY).unwrap_or(now));
        }
        if took.min(HIGHEST) >= seen.0 {
            *seen = (took.min(HIGHEST), now);
        }
        lowest.max(seen.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_rises_to_what_was_seen_and_sinks_slowly() {
        let (cost, start) = (Duration::from_millis(100), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let floor = FailureFloor::new(Arc::default(), cost, false);
        assert_eq!(floor.raised(cost, Duration::from_millis(5), start), cost);
        assert_eq!(floor.raised(cost, Duration::from_millis(800), start), Duration::from_millis(800));
        assert_eq!(floor.raised(cost, Duration::from_millis(5), after(59)), Duration::from_millis(800));
        assert_eq!(floor.raised(cost, Duration::from_millis(5), after(60)), Duration::from_millis(750));
        assert_eq!(floor.raised(cost, Duration::ZERO, after(7_200)), cost);
        assert_eq!(floor.raised(cost, Duration::from_secs(60), after(7_201)), HIGHEST);
    }

    #[tokio::test]
    async fn a_failure_takes_longer_where_secrets_are_far_away() {
        for (is_far, least) in [(false, BASE), (true, FAR)] {
            let (floor, start) = (FailureFloor::new(Arc::default(), Duration::ZERO, is_far), Instant::now());
            floor.wait(start).await;
            assert!(start.elapsed() >= least, "{is_far}");
        }
    }
}
