//! Whether the dependencies answer.

use super::Ambient;
use crate::ports::storage::{StoreError, StoreHealth};
use std::sync::Arc;
use std::time::Duration;

/// Asks the dependencies.
pub struct HealthService {
    pub store: Arc<dyn StoreHealth>,
    pub ambient: Ambient,
}

/// One dependency's answer.
#[derive(Debug)]
pub struct Probe {
    pub latency: Duration,
    pub result: Result<(), StoreError>,
}

impl HealthService {
    /// Asks the database.
    pub async fn database(&self) -> Probe {
        let start = self.ambient.clock.now();
        let result = self.store.ping().await;
        Probe { latency: self.ambient.clock.now().since(start), result }
    }
}
