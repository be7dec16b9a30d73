//! One rate limit for both servers, and one for each while Redis is away.

use crate::alone;
use crate::harness::get;
use crate::pair::{Client, Pair};
use crate::redis_server::RedisServer;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

const PER_MINUTE: u32 = 240;
const LOAD: Duration = Duration::from_secs(15);
/// A machine that is too busy may lose sight of Redis for a moment; then the figure is another one.
const TRIES: usize = 5;

/// So many requests of the client were let through, in this time.
fn allowed(pair: &Pair, client: &Client) -> (u32, Duration) {
    let token = pair.token(0, client);
    let start = Instant::now();
    let ask = |at: usize| {
        let mut allowed = 0;
        while start.elapsed() < LOAD {
            match get(&pair.urls[at], "/api/v1/agents?limit=1", &token).0 {
                200 => allowed += 1,
                429 => sleep(Duration::from_millis(20)),
                status => panic!("{status}"),
            }
        }
        allowed
    };
    let ask = &ask;
    let allowed = scope(|scope| {
        let asked: Vec<_> = (0..4).map(|task| scope.spawn(move || ask(task % 2))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).sum()
    });
    (allowed, start.elapsed())
}

/// What one limit lets through: the burst, less the token that was asked for, and what comes back meanwhile.
fn expected(took: Duration) -> f64 {
    f64::from(PER_MINUTE) * (1.0 + took.as_secs_f64() / 60.0) - 1.0
}

#[test]
fn the_limit_is_one_for_both_and_one_for_each_without_redis() {
    let _alone = alone();
    let mut redis = RedisServer::start(&["--requirepass", "canary-word"]);
    let (limit, url) = (PER_MINUTE.to_string(), redis.url().replace("redis://", "redis://:canary-word@"));
    let pair = Pair::start(&[("REDIS_URL", &url), ("RATE_LIMIT_PER_MINUTE", &limit), ("RUST_LOG", "debug,h2=off")]);
    pair.until_cache_is("up");
    let shared = (0..TRIES).find_map(|_| {
        let lost = pair.logged("Redis does not answer");
        let (allowed, took) = allowed(&pair, &pair.client());
        let share = f64::from(allowed) / expected(took);
        eprintln!("{allowed} requests in {took:?} at both servers: {share:.3} of the limit");
        (pair.logged("Redis does not answer") == lost).then_some(share)
    });
    let shared = shared.expect("Redis is there");
    assert!((0.9..=1.1).contains(&shared), "{shared}");

    redis.fall();
    let (allowed, took) = allowed(&pair, &pair.client());
    let share = f64::from(allowed) / expected(took);
    eprintln!("{allowed} requests in {took:?} without Redis: {share:.3} of the limit");
    assert!((1.8..=2.2).contains(&share), "each counts for itself, and none is open: {share}");
    assert_eq!(pair.logged("canary-word"), [0, 0], "the password is in no log");
    pair.stop();
}
