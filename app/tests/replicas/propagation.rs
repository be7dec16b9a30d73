//! What is taken away at one server is gone at the other: at once what the database is asked for, within a second the
//! signing keys.

use crate::alone;
use crate::harness::admin_token;
use crate::pair::{Pair, until};
use crate::redis_server::RedisServer;
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::{Duration, Instant};

const ROUNDS: usize = 4;
/// A machine that is too busy may lose sight of Redis for a moment; then the figure is another one.
const TRIES: usize = 5;

/// Each way to take something away, as often as there are rounds; the longest that the other server went on.
fn propagates(pair: &mut Pair, within: Duration, how: &str) {
    for (what, take) in [
        ("a revoked token", revoke_token as fn(&mut Pair) -> Duration),
        ("a revoked credential", revoke_credential),
        ("a suspended agent", suspend),
        ("a revoked signing key", revoke_key),
    ] {
        let worst = (0..ROUNDS).map(|_| undisturbed(pair, take)).max().unwrap();
        eprintln!("{how}: {what} is gone at the other server after {worst:?} at most");
        assert!(worst <= within, "{what}: {worst:?}, not {within:?}");
    }
}

/// Takes something away, again if the servers lost sight of Redis meanwhile; how long the other one went on.
fn undisturbed(pair: &mut Pair, take: fn(&mut Pair) -> Duration) -> Duration {
    let took = (0..TRIES).find_map(|_| {
        let lost = pair.logged("Redis does not answer");
        let took = take(pair);
        (pair.logged("Redis does not answer") == lost).then_some(took)
    });
    took.expect("Redis is there, or away for good")
}

/// Until the other server refuses the token.
fn refused(pair: &Pair, token: &str) -> Duration {
    until(|| match pair.status(1, token) {
        200 => false,
        401 => true,
        status => panic!("{status}"),
    })
}

fn revoke_token(pair: &mut Pair) -> Duration {
    let token = pair.token(0, &pair.client());
    assert_eq!(pair.status(1, &token), 200);
    assert_eq!(pair.revoke(0, &token), 200);
    refused(pair, &token)
}

fn revoke_credential(pair: &mut Pair) -> Duration {
    let client = pair.client();
    let token = pair.token(1, &client);
    assert_eq!(pair.status(1, &token), 200);
    pair.call(0, "DELETE", &format!("/agents/{}/credentials/{}", client.id, client.credential), &Value::Null, 204);
    let took = refused(pair, &token);
    assert_eq!(pair.try_token(1, &client).0, 401);
    took
}

fn suspend(pair: &mut Pair) -> Duration {
    let client = pair.client();
    let token = pair.token(1, &client);
    assert_eq!(pair.status(1, &token), 200);
    pair.call(0, "PATCH", &format!("/agents/{}", client.id), &json!({"status": "suspended"}), 200);
    let took = refused(pair, &token);
    assert_eq!(pair.try_token(1, &client).0, 401);
    took
}

/// By the command line, for there is no other way. Both servers have to learn of it, and of the key in its place.
fn revoke_key(pair: &mut Pair) -> Duration {
    let client = pair.client();
    let token = pair.token(1, &client);
    pair.revoke_signing_key();
    let took = until(|| (0..2).all(|at| pair.status(at, &token) == 401));
    let fresh = pair.token(0, &client);
    let known = until(|| pair.status(1, &fresh) == 200);
    // The administrator's token went with the key.
    pair.bearer = admin_token(&pair.urls[0], &pair.admin);
    took + known
}

/// How often a server has read the signing keys.
fn readings(pair: &Pair, at: usize) -> u64 {
    let name = "agentidp_db_query_duration_seconds_count{operation=\"key_list\"} ";
    let text = pair.metrics(at);
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.parse().unwrap()
}

/// More readings than the seconds that pass ask for.
fn reads_at_word(pair: &Pair, redis: &RedisServer) -> bool {
    let (before, start) = ([readings(pair, 0), readings(pair, 1)], Instant::now());
    for _ in 0..20 {
        redis.cli(&["PUBLISH", "agentidp:keys", "changed"]);
        sleep(Duration::from_millis(20));
    }
    let by_themselves = start.elapsed().as_secs() + 2;
    (0..2).all(|at| readings(pair, at) - before[at] > by_themselves + 3)
}

#[test]
fn word_over_redis_is_acted_on_at_once_also_when_redis_was_away() {
    let _alone = alone();
    let mut redis = RedisServer::start(&[]);
    let pair = Pair::start(&[("REDIS_URL", &redis.url())]);
    until(|| reads_at_word(&pair, &redis));
    redis.fall();
    pair.until_cache_is("down");
    redis.rise();
    eprintln!("word is heard again {:?} after Redis came back", until(|| reads_at_word(&pair, &redis)));
    pair.stop();
}

#[test]
fn with_redis_within_a_second_and_without_within_five() {
    let _alone = alone();
    let mut redis = RedisServer::start(&[]);
    let mut pair = Pair::start(&[("REDIS_URL", &redis.url())]);
    // Before it listens, a server learns of keys by itself: within a second, and what reading takes.
    until(|| reads_at_word(&pair, &redis));
    propagates(&mut pair, Duration::from_secs(1), "with Redis");
    redis.fall();
    pair.until_cache_is("down");
    propagates(&mut pair, Duration::from_secs(5), "with Redis stopped");
    pair.stop();
}
