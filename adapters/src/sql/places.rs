//! Places: how many units of work run at once. Who finds none soon is told so, well before the deadline of a request.

use agentidp_core::ports::storage::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Clones share the places.
#[derive(Debug, Clone)]
pub struct Places {
    free: Arc<Semaphore>,
    patience: Duration,
}

/// Every place was taken, for as long as it was waited.
#[derive(Debug, thiserror::Error)]
#[error("the database is busy: no unit of work ended within {0:?}")]
struct Busy(Duration);

impl Places {
    /// `count` places, for one of which `patience` is waited.
    pub fn new(count: u32, patience: Duration) -> Self {
        let count = usize::try_from(count).unwrap_or(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(count)), patience }
    }

    /// A place, free again when the permit is dropped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: none became free in time.
    pub async fn take(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        match tokio::time::timeout(self.patience, self.free.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(StoreError::Unavailable(Box::new(Busy(self.patience)))),
        }
    }
}
