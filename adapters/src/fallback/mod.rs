//! Limits that hold while what replicas share is away: then each process counts for itself.

use agentidp_core::domain::rate::{PerMinute, RateDecision};
use agentidp_core::ports::limits::{LimitError, RateLimiter};
use async_trait::async_trait;
use std::sync::Arc;

/// Asks `shared`, and `own` if that has no answer. Never open: of many processes each holds the whole limit by itself.
/// What was counted in the one is not known to the other. That `shared` is away is told by it, once, not here for each
/// event.
pub struct FallbackLimiter {
    pub shared: Arc<dyn RateLimiter>,
    pub own: Arc<dyn RateLimiter>,
}

#[async_trait]
impl RateLimiter for FallbackLimiter {
    async fn take(&self, bucket: &str, limit: PerMinute) -> Result<RateDecision, LimitError> {
        match self.shared.take(bucket, limit).await {
            Ok(decision) => Ok(decision),
            Err(_) => self.own.take(bucket, limit).await,
        }
    }

    async fn look(&self, bucket: &str, limit: PerMinute) -> Result<RateDecision, LimitError> {
        match self.shared.look(bucket, limit).await {
            Ok(decision) => Ok(decision),
            Err(_) => self.own.look(bucket, limit).await,
        }
    }
}
