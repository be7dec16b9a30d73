#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]
//! The contract of rate limits, and what this process does with many at once.

#[path = "support/crypto.rs"]
mod support;

use agentidp_adapters::memory::{DEFAULT_CAPACITY, MemoryLimiter};
use agentidp_core::contract::limits::{Passing, per_minute};
use agentidp_core::ports::limits::RateLimiter;
use std::sync::Arc;
use std::time::Duration;
use support::HandClock;

struct SharedClock(Arc<HandClock>);

#[async_trait::async_trait]
impl Passing for SharedClock {
    async fn pass(&self, by: Duration) {
        self.0.advance(by);
    }
}

fn limiter(capacity: usize) -> (Arc<MemoryLimiter>, Arc<HandClock>) {
    let clock = Arc::new(HandClock::default());
    (Arc::new(MemoryLimiter::new(capacity, clock.clone())), clock)
}

async fn memory_setup() -> (Arc<dyn RateLimiter>, Box<dyn Passing>) {
    let (limiter, clock) = limiter(DEFAULT_CAPACITY);
    (limiter, Box::new(SharedClock(clock)))
}

agentidp_core::rate_limiter_contract!(memory, super::memory_setup);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_that_arrive_together_share_one_bucket() {
    let (limiter, _) = limiter(DEFAULT_CAPACITY);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move {
                let mut allowed = 0_u32;
                for _ in 0..500 {
                    allowed += u32::from(limiter.take("one", per_minute(600)).await.unwrap().allowed);
                    tokio::task::yield_now().await;
                }
                allowed
            })
        })
        .collect();
    let mut allowed = 0;
    for task in tasks {
        allowed += task.await.unwrap();
    }
    assert_eq!(allowed, 600);
}

#[tokio::test]
async fn memory_is_bounded_and_who_is_held_back_stays_held_back() {
    let (limiter, clock) = limiter(640);
    let strict = per_minute(3);
    for _ in 0..3 {
        assert!(limiter.take("offender", strict).await.unwrap().allowed);
    }
    for number in 0..20_000 {
        limiter.take(&format!("2001:db8:{number:x}::/64"), per_minute(30)).await.unwrap();
    }
    assert!(limiter.buckets() <= 640 + 64, "{}", limiter.buckets());
    assert!(!limiter.take("offender", strict).await.unwrap().allowed, "a flood of addresses freed the offender");
    clock.advance(Duration::from_secs(120));
    for number in 0..64 * 64 {
        limiter.take(&format!("later {number}"), per_minute(6_000)).await.unwrap();
        clock.advance(Duration::from_millis(10));
    }
    assert!(limiter.take("offender", strict).await.unwrap().allowed);
}

#[tokio::test]
async fn what_is_full_again_makes_room_first() {
    let (limiter, clock) = limiter(1);
    for number in 0..1_000 {
        limiter.take(&format!("idle {number}"), per_minute(60)).await.unwrap();
    }
    clock.advance(Duration::from_secs(2));
    for number in 0..1_000 {
        limiter.take(&format!("idle {number}"), per_minute(60)).await.unwrap();
    }
    assert!(limiter.buckets() <= 64);
}
