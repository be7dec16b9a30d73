//! Rate limits.

use super::Source;
use crate::domain::rate::{PerMinute, RateDecision};
use async_trait::async_trait;

/// The limiter cannot answer.
#[derive(Debug, thiserror::Error)]
#[error("the rate limiter is unavailable")]
pub struct LimitError(#[source] pub Source);

/// Counts events in buckets by GCRA ([`PerMinute::decide`]).
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Decides one event of `bucket` and counts it if it is allowed. Of events that arrive together it MUST NOT allow
    /// more than the limit; other buckets MUST NOT be touched.
    async fn take(&self, bucket: &str, limit: PerMinute) -> Result<RateDecision, LimitError>;

    /// What [`RateLimiter::take`] would say now. Counts nothing.
    async fn look(&self, bucket: &str, limit: PerMinute) -> Result<RateDecision, LimitError>;
}
