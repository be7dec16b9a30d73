//! A Redis that goes and comes back, in every way that it can.

use crate::redis_server::RedisServer;
use crate::{Told, open, until};
use agentidp_adapters::redis::Redis;
use agentidp_core::contract::limits::per_minute;
use agentidp_core::ports::cache::CacheHealth;
use agentidp_core::ports::limits::RateLimiter;
use agentidp_core::ports::notices::Notices;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A command waits for a quarter of a second; the rest is for a busy test machine.
const DEADLINE: Duration = Duration::from_millis(250);
const SLACK: Duration = Duration::from_secs(2);

async fn counts(redis: &Redis) -> bool {
    redis.take("outage", per_minute(100_000)).await.is_ok()
}

async fn until_it_counts(redis: &Redis) -> Duration {
    let start = Instant::now();
    until(async || counts(redis).await.then_some(())).await;
    start.elapsed()
}

/// After the first failure nothing waits, and nothing is sent.
async fn fails_at_once(redis: &Redis, told: &Told) {
    told.take();
    let start = Instant::now();
    for _ in 0..1_000 {
        assert!(!counts(redis).await);
        assert!(redis.look("outage", per_minute(100_000)).await.is_err());
        assert!(redis.ping().await.is_err());
    }
    let took = start.elapsed();
    assert_eq!(told.take(), [], "nothing is sent");
    assert!(took < SLACK, "3,000 refusals took {took:?}");
}

#[tokio::test]
async fn one_that_is_not_there_yet_is_taken_when_it_comes() {
    let mut server = RedisServer::stopped(&[]);
    let (redis, told) = open(&server.url()).await;
    fails_at_once(&redis, &told).await;
    server.rise();
    eprintln!("taken {:?} after it came", until_it_counts(&redis).await);
    redis.ping().await.unwrap();
}

#[tokio::test]
async fn one_that_dies_and_comes_back() {
    let mut server = RedisServer::start(&[]);
    let (redis, told) = open(&server.url()).await;
    assert!(counts(&redis).await);
    assert_eq!(told.take(), [("evalsha", true)]);
    server.fall();
    let start = Instant::now();
    assert!(!counts(&redis).await);
    assert!(start.elapsed() < DEADLINE + SLACK);
    assert_eq!(told.take(), [("evalsha", false)]);
    fails_at_once(&redis, &told).await;
    server.rise();
    eprintln!("taken {:?} after it came back", until_it_counts(&redis).await);
}

#[tokio::test]
async fn one_that_hangs_costs_one_deadline() {
    let server = RedisServer::start(&[]);
    let (redis, told) = open(&server.url()).await;
    assert!(counts(&redis).await);
    server.freeze();
    let start = Instant::now();
    let redis = Arc::new(redis);
    let asked: Vec<_> = (0..100)
        .map(|_| {
            let redis = redis.clone();
            tokio::spawn(async move { counts(&redis).await })
        })
        .collect();
    for answer in asked {
        assert!(!answer.await.unwrap());
    }
    assert!((DEADLINE..DEADLINE + SLACK).contains(&start.elapsed()), "{:?}", start.elapsed());
    fails_at_once(&redis, &told).await;
    server.thaw();
    eprintln!("taken {:?} after it woke", until_it_counts(&redis).await);
}

#[tokio::test]
async fn one_that_is_slow_is_away() {
    let server = RedisServer::start(&[]);
    let (redis, told) = open(&server.url()).await;
    server.cli(&["CLIENT", "PAUSE", "3000", "ALL"]);
    let start = Instant::now();
    assert!(!counts(&redis).await);
    assert!((DEADLINE..DEADLINE + SLACK).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert_eq!(told.take(), [("evalsha", false)]);
    until_it_counts(&redis).await;
}

/// What cannot write cannot count, though it answers; it is not asked again for each event.
#[tokio::test]
async fn one_that_is_full_or_read_only_is_away() {
    let server = RedisServer::start(&[]);
    let (redis, told) = open(&server.url()).await;
    for (break_it, heal_it) in [
        (vec!["CONFIG", "SET", "maxmemory", "1"], vec!["CONFIG", "SET", "maxmemory", "0"]),
        (vec!["REPLICAOF", "127.0.0.1", "1"], vec!["REPLICAOF", "NO", "ONE"]),
    ] {
        assert!(counts(&redis).await);
        server.cli(&break_it);
        assert!(!counts(&redis).await, "{break_it:?}");
        fails_at_once(&redis, &told).await;
        server.cli(&heal_it);
        until_it_counts(&redis).await;
    }
}

#[tokio::test]
async fn one_that_forgets_counts_anew() {
    let server = RedisServer::start(&["--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru"]);
    let (redis, _) = open(&server.url()).await;
    let one = per_minute(1);
    for (forget, anew) in [(&["FLUSHALL"] as &[&str], true), (&["SCRIPT", "FLUSH"], false)] {
        let bucket = format!("{forget:?}");
        assert!(redis.take(&bucket, one).await.unwrap().allowed);
        assert!(!redis.take(&bucket, one).await.unwrap().allowed);
        server.cli(forget);
        assert_eq!(redis.take(&bucket, one).await.expect("it answers").allowed, anew, "{forget:?}");
    }
    server.cli(&["EVAL", "for i = 1, 60000 do redis.call('SET', 'x' .. i, string.rep('y', 100)) end", "0"]);
    assert!(!server.cli(&["INFO", "stats"]).contains("evicted_keys:0"), "keys have to go");
    assert!(redis.take("evicting", one).await.expect("it answers").allowed);
}

/// A password that is mended on the other side needs no restart here, and is in no message.
#[tokio::test]
async fn one_with_another_password_is_away_until_it_is_right() {
    let server = RedisServer::start(&["--requirepass", "theirs"]);
    let url = format!("redis://:0urs%21@127.0.0.1:{}", server.port);
    let (redis, told) = open(&url).await;
    fails_at_once(&redis, &told).await;
    let error = redis.ping().await.unwrap_err();
    assert!(!format!("{error:?} {redis:?}").contains("0urs"));
    server.cli(&["-a", "theirs", "--no-auth-warning", "CONFIG", "SET", "requirepass", "0urs!"]);
    until_it_counts(&redis).await;
}

/// The rights that `docs/OPERATIONS.md` calls the least.
#[tokio::test]
async fn one_that_allows_only_what_is_documented() {
    let document = include_str!("../../../docs/OPERATIONS.md");
    let (_, rights) = document.split_once("ACL has to allow is").unwrap();
    let rights = rights.split('`').nth(1).unwrap();
    let server = RedisServer::start(&[]);
    let mut arguments = vec!["ACL", "SETUSER", "idp", "on", ">secret", "resetchannels"];
    arguments.extend(rights.split(' '));
    assert_eq!(server.cli(&arguments), "OK");
    let (redis, _) = open(&format!("redis://idp:secret@127.0.0.1:{}", server.port)).await;
    assert!(counts(&redis).await);
    redis.look("outage", per_minute(1)).await.unwrap();
    redis.ping().await.unwrap();
    let mut subscription = redis.subscribe().await.unwrap();
    redis.publish().await.unwrap();
    subscription.next().await.unwrap();
}
