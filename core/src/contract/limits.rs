//! Contract of [`RateLimiter`]. That events which truly arrive together share one bucket is for the harness: it has
//! threads.

use crate::domain::rate::{PerMinute, RateDecision};
use crate::ports::limits::RateLimiter;
use async_trait::async_trait;
use std::time::Duration;

/// Lets time pass for the limiter under test.
#[async_trait]
pub trait Passing: Send + Sync {
    /// Lets `by` pass.
    async fn pass(&self, by: Duration);
}

/// A limit of `events` a minute.
pub fn per_minute(events: u32) -> PerMinute {
    PerMinute(events.try_into().expect("a limit is positive"))
}

async fn take(limiter: &dyn RateLimiter, bucket: &str, limit: PerMinute) -> RateDecision {
    limiter.take(bucket, limit).await.expect("the limiter is there")
}

/// As many at once as a minute allows, and not one more.
pub async fn a_burst_ends_at_the_limit(limiter: &dyn RateLimiter, _: &dyn Passing) {
    let limit = per_minute(5);
    for left in (0..5).rev() {
        let decision = take(limiter, "burst", limit).await;
        assert!(decision.allowed);
        assert_eq!((decision.limit, decision.remaining), (5, left));
    }
    let refused = take(limiter, "burst", limit).await;
    assert!(!refused.allowed);
    assert_eq!((refused.limit, refused.remaining), (5, 0));
    assert!(refused.retry_after > Duration::ZERO && refused.retry_after <= Duration::from_secs(12));
    assert!(refused.reset > Duration::from_secs(55) && refused.reset <= Duration::from_secs(60));
}

/// The next event is allowed when `retry_after` has passed: refused ones cost nothing.
pub async fn what_is_refused_costs_nothing(limiter: &dyn RateLimiter, time: &dyn Passing) {
    let limit = per_minute(20);
    for _ in 0..20 {
        assert!(take(limiter, "refused", limit).await.allowed);
    }
    let mut refused = take(limiter, "refused", limit).await;
    for _ in 0..20 {
        refused = take(limiter, "refused", limit).await;
        assert!(!refused.allowed);
    }
    time.pass(refused.retry_after).await;
    assert!(take(limiter, "refused", limit).await.allowed);
}

/// After `reset` the bucket is as new.
pub async fn a_bucket_fills_again(limiter: &dyn RateLimiter, time: &dyn Passing) {
    let limit = per_minute(600);
    let first = take(limiter, "fills", limit).await;
    assert!(first.reset > Duration::ZERO && first.reset <= Duration::from_millis(100));
    time.pass(first.reset).await;
    let again = take(limiter, "fills", limit).await;
    assert_eq!(again.remaining, first.remaining);
}

/// Looking says what taking would say, and takes nothing.
pub async fn looking_takes_nothing(limiter: &dyn RateLimiter, _: &dyn Passing) {
    let limit = per_minute(2);
    for _ in 0..10 {
        let looked = limiter.look("look", limit).await.expect("the limiter is there");
        assert!(looked.allowed);
        assert_eq!((looked.limit, looked.remaining, looked.reset), (2, 2, Duration::ZERO));
    }
    assert!(take(limiter, "look", limit).await.allowed);
    assert!(take(limiter, "look", limit).await.allowed);
    let looked = limiter.look("look", limit).await.expect("the limiter is there");
    assert!(!looked.allowed && looked.retry_after > Duration::ZERO);
}

/// Buckets are told apart byte for byte.
pub async fn buckets_are_apart(limiter: &dyn RateLimiter, _: &dyn Passing) {
    let limit = per_minute(1);
    let long = "x".repeat(2_000);
    for bucket in ["apart", "Apart", "apart ", "apart:", "", "аpart", long.as_str()] {
        assert!(take(limiter, bucket, limit).await.allowed, "{bucket:?} was full already");
        assert!(!take(limiter, bucket, limit).await.allowed, "{bucket:?} was not counted");
    }
}

/// One test per case; `$setup` is an async function that gives the limiter and its [`Passing`], both boxed.
#[macro_export]
macro_rules! rate_limiter_contract {
    ($name:ident, $setup:path) => {
        $crate::rate_limiter_contract!(@cases $name, $setup, a_burst_ends_at_the_limit, what_is_refused_costs_nothing,
            a_bucket_fills_again, looking_takes_nothing, buckets_are_apart);
    };
    (@cases $name:ident, $setup:path, $($case:ident),+) => {
        mod $name {
            $(#[tokio::test]
            async fn $case() {
                let (limiter, time) = $setup().await;
                $crate::contract::limits::$case(limiter.as_ref(), time.as_ref()).await;
            })+
        }
    };
}
