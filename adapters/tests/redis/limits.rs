//! The contract, on Redis and on what falls back from it, and the arithmetic of the script.

use crate::crypto::HandClock;
use crate::ports::free_port;
use crate::{open, shared_url};
use agentidp_adapters::fallback::FallbackLimiter;
use agentidp_adapters::memory::{DEFAULT_CAPACITY, MemoryLimiter};
use agentidp_core::contract::limits::{Passing, per_minute};
use agentidp_core::domain::rate::{ArrivalTime, PerMinute, RateDecision};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::limits::{LimitError, RateLimiter};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time of a server passes by itself.
struct RealTime;

#[async_trait::async_trait]
impl Passing for RealTime {
    async fn pass(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }
}

struct SharedClock(Arc<HandClock>);

#[async_trait::async_trait]
impl Passing for SharedClock {
    async fn pass(&self, by: Duration) {
        self.0.advance(by);
    }
}

/// A name that no other test has, and none that runs at once with the same server.
fn own(bucket: &str) -> String {
    format!("{bucket}-{}", uuid::Uuid::new_v4().simple())
}

/// A limiter that others share, whose buckets are the test's own: the contract names them.
struct Own {
    run: String,
    shared: Arc<dyn RateLimiter>,
}

impl Own {
    async fn open() -> Arc<Self> {
        Arc::new(Self { run: own("run"), shared: Arc::new(open(&shared_url()).await.0) })
    }
}

#[async_trait::async_trait]
impl RateLimiter for Own {
    async fn take(&self, bucket: &str, limit: PerMinute) -> Result<RateDecision, LimitError> {
        self.shared.take(&format!("{}:{bucket}", self.run), limit).await
    }

    async fn look(&self, bucket: &str, limit: PerMinute) -> Result<RateDecision, LimitError> {
        self.shared.look(&format!("{}:{bucket}", self.run), limit).await
    }
}

async fn redis_setup() -> (Arc<dyn RateLimiter>, Box<dyn Passing>) {
    (Own::open().await, Box::new(RealTime))
}

async fn present_setup() -> (Arc<dyn RateLimiter>, Box<dyn Passing>) {
    let shared = Own::open().await;
    let own = Arc::new(MemoryLimiter::new(DEFAULT_CAPACITY, Arc::new(HandClock::default())));
    (Arc::new(FallbackLimiter { shared, own }), Box::new(RealTime))
}

async fn absent_setup() -> (Arc<dyn RateLimiter>, Box<dyn Passing>) {
    let clock = Arc::new(HandClock::default());
    let shared = Arc::new(open(&format!("redis://127.0.0.1:{}", free_port())).await.0);
    let own = Arc::new(MemoryLimiter::new(DEFAULT_CAPACITY, clock.clone()));
    (Arc::new(FallbackLimiter { shared, own }), Box::new(SharedClock(clock)))
}

agentidp_core::rate_limiter_contract!(shared, super::redis_setup);
agentidp_core::rate_limiter_contract!(fallback_from_one_that_is_there, super::present_setup);
agentidp_core::rate_limiter_contract!(fallback_from_one_that_is_away, super::absent_setup);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_that_arrive_together_at_two_processes_share_one_bucket() {
    let start = Instant::now();
    let (url, together) = (shared_url(), own("together"));
    let limiters = [Arc::new(open(&url).await.0), Arc::new(open(&url).await.0)];
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (limiter, together) = (limiters[task % 2].clone(), together.clone());
            tokio::spawn(async move {
                let mut allowed = 0_u32;
                for _ in 0..50 {
                    allowed += u32::from(limiter.take(&together, per_minute(60)).await.unwrap().allowed);
                }
                allowed
            })
        })
        .collect();
    let mut allowed = 0;
    for task in tasks {
        allowed += task.await.unwrap();
    }
    let more = u32::try_from(start.elapsed().as_secs()).unwrap() + 1;
    assert!((60..=60 + more).contains(&allowed), "{allowed} in {:?}", start.elapsed());
}

#[tokio::test]
async fn a_full_bucket_leaves_no_key_and_a_clock_set_back_locks_nobody_out() {
    let (url, short, back) = (shared_url(), own("short"), own("back"));
    let (limiter, _) = open(&url).await;
    let mut connection = connection(&url).await;
    let taken = limiter.take(&short, per_minute(600)).await.unwrap();
    let left: i64 =
        redis::cmd("PTTL").arg(format!("agentidp:rate:{short}")).query_async(&mut connection).await.unwrap();
    assert!(left <= i64::try_from(taken.reset.as_millis()).unwrap() && left != -1, "{left} ms, {taken:?}");

    let (seconds, _): (i64, i64) = redis::cmd("TIME").query_async(&mut connection).await.unwrap();
    let ahead = (seconds + 3_600) * 1_000_000;
    let key = format!("agentidp:rate:{back}");
    redis::cmd("SET").arg(&key).arg(ahead).exec_async(&mut connection).await.unwrap();
    let refused = limiter.take(&back, per_minute(60)).await.unwrap();
    assert!(!refused.allowed && refused.retry_after <= Duration::from_secs(1), "{refused:?}");
    let arrival: i64 = redis::cmd("GET").arg(&key).query_async(&mut connection).await.unwrap();
    assert!(arrival <= (seconds + 120) * 1_000_000, "it is written as it was understood");
}

async fn connection(url: &str) -> redis::aio::MultiplexedConnection {
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

/// A number below `end`, the same in each run.
fn next(state: &mut u64, end: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % end
}

/// The script beside [`PerMinute::decide`], with the same events at the same times.
#[tokio::test]
async fn the_script_decides_as_the_core_does() {
    const CLOCK: &str = "redis.call('TIME')";
    // The expiry goes by the time of the server.
    const EXPIRY: &str = ", 'PX', math.ceil(used / 1000)";
    let text = include_str!("../../src/redis/limiter.lua");
    assert_eq!((text.matches(CLOCK).count(), text.matches(EXPIRY).count()), (1, 1));
    let script = redis::Script::new(&text.replace(CLOCK, "{ ARGV[4], ARGV[5] }").replace(EXPIRY, ""));
    let mut connection = connection(&shared_url()).await;
    let (run, mut state) = (own("decides"), 42);
    let mut refused = 0;
    for (bucket, events) in [1, 2, 7, 30, 100, 777, 6_000, 9_999, 100_000, u32::MAX].into_iter().enumerate() {
        let limit = PerMinute(events.try_into().unwrap());
        let key = format!("{run}:{bucket}");
        let mut millis = 1_768_478_400_250_i64;
        let mut arrival: Option<ArrivalTime> = None;
        for _ in 0..300 {
            // Mostly forward, by less than an event needs, sometimes for long, sometimes back.
            let step = i64::try_from(next(&mut state, 2 + 60_000 / u64::from(events))).unwrap();
            millis += match next(&mut state, 40) {
                0 => -step * 90,
                1 => step * 30,
                _ => step / 4,
            };
            let take = next(&mut state, 5) != 0;
            let mut call = script.key(&key);
            call.arg(limit.interval_micros()).arg(limit.depth_micros()).arg(u8::from(take));
            call.arg(millis / 1_000).arg(millis % 1_000 * 1_000);
            let (allowed, used): (bool, i64) = call.invoke_async(&mut connection).await.unwrap();
            let (decision, next) = limit.decide(arrival, Timestamp::from_unix_millis(millis), take);
            assert_eq!(limit.decision(allowed, used), decision, "{limit:?} {take} {millis}");
            if take {
                arrival = Some(next);
            }
            refused += u32::from(!allowed);
        }
    }
    assert!(refused > 200, "{refused}");
}
