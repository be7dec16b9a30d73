//! One floor under the time of all failed client authentications, so that time does not tell them apart.

use agentidp_core::services::clients::LegacyPresence;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The lowest floor: well above a look-up in a database nearby and an HMAC.
const BASE: Duration = Duration::from_millis(15);

/// One failure asks the database more often than another, and the first of its kind in a minute is written at once. Where
/// the database is far away or busy that shows, so the floor rises to what was seen, up to this.
const HIGHEST: Duration = Duration::from_millis(250);

/// The floor where secrets are kept in another system: above a look-up there, if it is near.
const FAR: Duration = Duration::from_millis(50);

/// The most for a system that is not near, and while legacy credentials are in use: a client with several costs several
/// comparisons, and comparisons may have to wait for each other.
const HIGHEST_OF_DEAR: Duration = Duration::from_secs(3);

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
    /// The longest failure seen, and since when it holds.
    seen: Mutex<(Duration, Instant)>,
}

impl FailureFloor {
    /// A floor that is raised to `legacy_cost` while legacy credentials are in use, and where secrets are far away.
    pub fn new(legacy: Arc<LegacyPresence>, legacy_cost: Duration, is_far: bool) -> Self {
        Self { legacy, legacy_cost, is_far, seen: Mutex::new((Duration::ZERO, Instant::now())) }
    }

    /// Waits until a failure of an authentication that began at `start` may be told.
    pub async fn wait(&self, start: Instant) {
        let floor = self.floor(self.legacy.is_there(), start.elapsed(), Instant::now());
        sleep_until(start.checked_add(floor).unwrap_or(start)).await;
    }

    fn floor(&self, legacy: bool, took: Duration, now: Instant) -> Duration {
        let near = if self.is_far { FAR } else { BASE };
        let lowest = if legacy { near.max(self.legacy_cost) } else { near };
        let highest = if legacy || self.is_far { HIGHEST_OF_DEAR } else { HIGHEST };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while now.saturating_duration_since(seen.1) >= FADES_EVERY && !seen.0.is_zero() {
            let kept = seen.0.saturating_sub(seen.0.checked_div(16).unwrap_or_default());
            *seen = (if kept < BASE { Duration::ZERO } else { kept }, seen.1.checked_add(FADES_EVERY).unwrap_or(now));
        }
        if took.min(highest) >= seen.0 {
            *seen = (took.min(highest), now);
        }
        lowest.max(seen.0.min(highest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Duration = Duration::from_millis(100);

    #[test]
    fn the_floor_rises_to_what_was_seen_and_sinks_slowly() {
        let start = Instant::now();
        for (legacy, is_far, lowest, highest) in
            [(true, false, COST, HIGHEST_OF_DEAR), (false, false, BASE, HIGHEST), (false, true, FAR, HIGHEST_OF_DEAR)]
        {
            let floor = FailureFloor::new(Arc::default(), COST, is_far);
            let after = |seconds, took| floor.floor(legacy, took, start + Duration::from_secs(seconds));
            let (little, much) = (Duration::from_millis(5), Duration::from_millis(160));
            assert_eq!(after(0, little), lowest);
            assert_eq!(after(0, much), much);
            assert_eq!(after(59, little), much);
            assert_eq!(after(60, little), Duration::from_millis(150));
            assert_eq!(after(7_200, Duration::ZERO), lowest);
            assert_eq!(after(7_201, Duration::from_secs(60)), highest);
        }
    }

    #[test]
    fn what_legacy_credentials_cost_is_over_with_them() {
        let (floor, start) = (FailureFloor::new(Arc::default(), COST, false), Instant::now());
        assert_eq!(floor.floor(true, Duration::from_secs(2), start), Duration::from_secs(2));
        assert_eq!(floor.floor(false, Duration::ZERO, start), HIGHEST);
    }
}
