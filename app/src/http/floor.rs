//! One floor under the time of all failed client authentications, so that time does not tell them apart.

use agentidp_core::services::clients::LegacyPresence;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The floor while no legacy credential is in use: well above a look-up and an HMAC.
const BASE: Duration = Duration::from_millis(15);

/// How long a failed client authentication takes at least.
pub struct FailureFloor {
    legacy: Arc<LegacyPresence>,
    /// The cost of verifying a legacy secret.
    legacy_cost: Duration,
}

impl FailureFloor {
    /// A floor that is raised to `legacy_cost` while legacy credentials are in use.
    pub fn new(legacy: Arc<LegacyPresence>, legacy_cost: Duration) -> Self {
        Self { legacy, legacy_cost }
    }

    /// Waits until a failure of an authentication that began at `start` may be told.
    pub async fn wait(&self, start: Instant) {
        let floor = if self.legacy.is_there() { BASE.max(self.legacy_cost) } else { BASE };
        sleep_until(start.checked_add(floor).unwrap_or(start)).await;
    }
}
