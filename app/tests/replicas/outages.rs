//! A Redis that goes away in every way costs nobody an answer; a database that does costs 503s and nothing else. Both
//! servers take up what comes back by themselves.

use crate::alone;
use crate::harness::http;
use crate::load::{settle, under_load};
use crate::pair::{Pair, database, until};
use crate::proxy::Proxy;
use crate::redis_server::RedisServer;
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::Ordering;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

/// What a request may take at most beside the deadline of what it waits for: test machines are busy.
const SLACK: Duration = Duration::from_secs(4);
const DATABASE_DEADLINE: Duration = Duration::from_secs(2);

#[test]
fn a_redis_that_goes_away_costs_nobody_an_answer() {
    let _alone = alone();
    let mut redis = RedisServer::start(&[]);
    let pair = Pair::start(&[("REDIS_URL", &redis.url()), ("RATE_LIMIT_PER_MINUTE", "1000000")]);
    pair.until_cache_is("up");
    type Act = fn(&mut RedisServer);
    let cases: [(&str, Act, Act); 4] = [
        ("refused", RedisServer::fall, RedisServer::rise),
        ("hung", |redis| redis.freeze(), |redis| redis.thaw()),
        ("slow", |redis| drop(redis.cli(&["CLIENT", "PAUSE", "4000", "ALL"])), |_| {}),
        (
            "full",
            |redis| drop(redis.cli(&["CONFIG", "SET", "maxmemory", "1"])),
            |redis| {
                redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
            },
        ),
    ];
    for (number, (how, goes, comes)) in cases.into_iter().enumerate() {
        let mut recovered = Duration::ZERO;
        let (met, ledgers) = under_load(&pair, |_| {
            sleep(Duration::from_millis(500));
            goes(&mut redis);
            let noticed = pair.until_cache_is("down");
            let (status, health) = pair.health(0);
            assert_eq!((status, health["status"].as_str()), (200, Some("degraded")));
            sleep(Duration::from_secs(1));
            comes(&mut redis);
            recovered = pair.until_cache_is("up");
            eprintln!("Redis {how}: noticed after {noticed:?}, taken again after {recovered:?}");
            sleep(Duration::from_millis(500));
        });
        let tokens = settle(&pair, &ledgers);
        eprintln!("Redis {how}: {met}, {tokens} tokens as promised");
        assert_eq!(met.unavailable.load(Ordering::SeqCst), 0, "limits fall back");
        assert!(met.slowest() < SLACK, "{met}");
        assert!(met.right.load(Ordering::SeqCst) > 20, "there was load");
        let (went, came) = (pair.logged("Redis does not answer"), pair.logged("Redis answers again"));
        assert_eq!(went, came, "one line when it goes and one when it is back");
        assert!(went.iter().all(|lines| *lines > number), "{went:?}");
    }
    pair.stop();
}

#[test]
fn a_database_that_hangs_or_restarts_costs_503s_and_nothing_else() {
    let _alone = alone();
    let (database, server) = database();
    let proxy = Proxy::to(server);
    let pair = Pair::start_behind(database, proxy.port, &[]);
    for (how, goes) in [("hung", Proxy::hold as fn(&Proxy)), ("restarted", Proxy::cut)] {
        let (met, ledgers) = under_load(&pair, |met| {
            sleep(Duration::from_millis(500));
            goes(&proxy);
            let away = Instant::now();
            until(|| pair.health(0).0 == 503 && pair.health(1).0 == 503);
            // For longer than the changes of others may be unknown.
            while away.elapsed() < Duration::from_secs(7) {
                for at in 0..2 {
                    open_to_everybody(&pair, at);
                }
                sleep(Duration::from_millis(100));
            }
            let start = Instant::now();
            assert_eq!(pair.status(0, "what is not known to be no token"), 503);
            let refused = start.elapsed();
            let before = met.right.load(Ordering::SeqCst);
            proxy.mend();
            let recovered = until(|| met.right.load(Ordering::SeqCst) > before + 8);
            eprintln!("PostgreSQL {how}: a 503 takes {refused:?}, good answers again after {recovered:?}");
            let ready = until(|| (0..2).all(|at| http(&pair.urls[at], "GET", "/health/ready", &[], "").0 == 200));
            assert!(recovered + ready < Duration::from_secs(10), "{recovered:?} {ready:?}");
            sleep(Duration::from_millis(500));
        });
        let tokens = settle(&pair, &ledgers);
        eprintln!("PostgreSQL {how}: {met}, {tokens} tokens as promised");
        assert!(met.unavailable.load(Ordering::SeqCst) > 0, "it was away");
        assert!(met.slowest() < DATABASE_DEADLINE * 2 + SLACK, "{met}");
    }
    pair.stop();
}

/// It wakes with the keys of before: what it says by them must not be what they say.
#[test]
fn a_server_that_was_suspended_judges_nobody_before_it_has_read() {
    let _alone = alone();
    let pair = Pair::start(&[]);
    let token = pair.token(0, &pair.client());
    assert_eq!(pair.status(1, &token), 200);
    let signal = |signal: &str| {
        assert!(Command::new("kill").args([signal, &pair.servers[1].pid()]).status().unwrap().success());
    };
    signal("-STOP");
    let asleep = Instant::now();
    pair.revoke_signing_key();
    until(|| asleep.elapsed() > Duration::from_secs(6));
    let started = Barrier::new(2);
    let answers = scope(|scope| {
        let asking = scope.spawn(|| {
            started.wait();
            (0..20).map(|_| pair.status(1, &token)).collect::<Vec<_>>()
        });
        started.wait();
        signal("-CONT");
        asking.join().unwrap()
    });
    let unknown = answers.iter().filter(|status| **status == 503).count();
    eprintln!("after its sleep: {unknown} of {} answers were 503, the others 401", answers.len());
    assert!(answers.iter().all(|status| [401, 503].contains(status)), "{answers:?}");
    eprintln!("it knows after {:?} more", until(|| pair.status(1, &token) == 401));
    pair.stop();
}

/// What needs no database goes on.
fn open_to_everybody(pair: &Pair, at: usize) {
    for path in [
        "/.well-known/jwks.json",
        "/.well-known/biscuit-keys",
        "/.well-known/oauth-authorization-server",
        "/openapi.json",
        "/health/live",
    ] {
        assert_eq!(http(&pair.urls[at], "GET", path, &[], "").0, 200, "{path}");
    }
}
