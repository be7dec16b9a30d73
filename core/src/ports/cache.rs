//! What replicas share beside the database.

use super::Source;
use async_trait::async_trait;

/// The shared cache does not answer.
#[derive(Debug, thiserror::Error)]
#[error("the cache is unavailable")]
pub struct CacheError(#[source] pub Source);

/// State of the cache that replicas share.
#[async_trait]
pub trait CacheHealth: Send + Sync {
    /// Asks the cache for the least that proves that it answers.
    async fn ping(&self) -> Result<(), CacheError>;
}
