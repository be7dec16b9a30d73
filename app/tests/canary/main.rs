//! No secret leaves the server but in the one answer that it is for: everything that the server writes while it does
//! its job and meets bad input, at the most talkative level, is searched for every secret that it met.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

#[path = "../cli/harness.rs"]
#[allow(dead_code, reason = "the tests of the command line use the rest")]
mod harness;
mod marks;
mod play;
#[path = "../../../adapters/tests/support/ports.rs"]
mod ports;
#[path = "../../../adapters/tests/support/redis_server.rs"]
mod redis_server;

use agentidp_adapters::testing::{Database, TestDatabase};
use harness::{MASTER_KEY, Place};
use marks::Marks;
use play::Play;
use redis_server::RedisServer;
use std::process::Command;

/// Plays on a server of `place` and searches all that it left; `dumps` gives what it left elsewhere.
fn sweep(place: &Place, mut marks: Marks, dumps: impl FnOnce() -> Vec<(&'static str, Vec<u8>)>) {
    marks.add("the master key", MASTER_KEY);
    place.done(&["migrate"]);
    let admin = place.done(&["bootstrap", "--json"]);
    let mut server = place.start(&["serve"]);
    let url = server.url();
    let told = Play::new(&url, &mut marks).all(&admin.json());
    let ended = server.terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let audit = place.done(&["audit", "export"]);
    let mut left: Vec<(&str, Vec<u8>)> = vec![
        ("the log", ended.stderr.into_bytes()),
        ("standard output", ended.stdout.into_bytes()),
        ("the log of bootstrap", admin.stderr.into_bytes()),
        ("the audit log", audit.stdout.into_bytes()),
        ("the log of the export", audit.stderr.into_bytes()),
    ];
    left.extend(told);
    left.extend(dumps());
    for (place, bytes) in &left {
        assert!(!bytes.is_empty() || place.contains("log of") || place.contains("output"), "{place} is empty");
        marks.must_not_be_in(place, bytes);
    }
    eprintln!("{} secrets, {} bytes searched", marks.len(), left.iter().map(|(_, bytes)| bytes.len()).sum::<usize>());
}

/// A server that says all it can.
fn talkative() -> Place {
    Place::of_server().with("RUST_LOG", "trace").with("LOG_FORMAT", "json")
}

fn read(path: &std::path::Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_default()
}

#[test]
fn the_embedded_default_keeps_secrets_to_itself() {
    let place = talkative();
    sweep(&place, Marks::default(), || {
        vec![("the database", [read(&place.path("server.db")), read(&place.path("server.db-wal"))].concat())]
    });
}

/// Also what the other systems were told: all but Vault itself, which is there to keep secrets.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_redis_and_vault_hear_none_that_is_not_theirs() {
    let mut marks = Marks::default();
    let password = "canary-password-of-postgres";
    marks.add("the password of PostgreSQL", password);
    let database = TestDatabase::make(Database::Postgres).await;
    let url = database.url();
    let redis = RedisServer::start(&["--requirepass", REDIS_PASSWORD, "--rdbcompression", "no"]);
    marks.add("the password of Redis", REDIS_PASSWORD);
    let token = of_environment("AGENTIDP_TEST_VAULT_TOKEN");
    marks.add("the token of Vault", &token);
    let place = talkative()
        .with("DATABASE_URL", &url.replacen("postgres@", &format!("postgres:{password}@"), 1))
        .with("REDIS_URL", &redis.url().replacen("://", &format!("://:{REDIS_PASSWORD}@"), 1))
        .with("VAULT_ADDR", &of_environment("AGENTIDP_TEST_VAULT_ADDR"))
        .with("VAULT_TOKEN", &token);
    sweep(&place, marks, || {
        let dumped = Command::new("pg_dump").arg(&url).output().unwrap();
        assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
        let file = place.path("dump.rdb");
        let saved = Command::new("redis-cli")
            .args(["--no-auth-warning", "-a", REDIS_PASSWORD, "-p", &redis.port.to_string(), "--rdb"])
            .arg(&file)
            .output()
            .unwrap();
        assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
        vec![("the dump of PostgreSQL", dumped.stdout), ("the dump of Redis", read(&file))]
    });
}

#[test]
fn the_keys_of_aws_are_kept_as_well() {
    let mut marks = Marks::default();
    let key = "canary-secret-access-key-of-aws";
    marks.add("the secret key of AWS", key);
    let place = talkative()
        .with("SECRETS_BACKEND", "aws-secretsmanager")
        .with("AWS_ENDPOINT_URL", &of_environment("AGENTIDP_TEST_AWS_ENDPOINT_URL"))
        .with("AWS_REGION", "us-east-1")
        .with("AWS_ACCESS_KEY_ID", "test")
        .with("AWS_SECRET_ACCESS_KEY", key);
    sweep(&place, marks, Vec::new);
}

const REDIS_PASSWORD: &str = "canary-password-of-redis";

#[expect(clippy::disallowed_methods, reason = "the one place where these tests learn of these servers")]
fn of_environment(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests by `scripts/with-servers`"))
}

/// What is searched for is found when it is there: else the search would prove nothing.
#[test]
fn the_search_finds_every_spelling() {
    let mut marks = Marks::default();
    marks.add("a secret", "Sp3c/ial+secret=value-long-enough");
    for spelled in marks::spellings("Sp3c/ial+secret=value-long-enough") {
        let found = std::panic::catch_unwind(|| marks.must_not_be_in("a text", format!("x{spelled}y").as_bytes()));
        assert!(found.is_err(), "{spelled}");
    }
    use base64::Engine;
    for before in ["", "a", "ab", "abc"] {
        let text = format!("{before}Sp3c/ial+secret=value-long-enough:after");
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        assert!(std::panic::catch_unwind(|| marks.must_not_be_in("base64", encoded.as_bytes())).is_err(), "{before}");
    }
    marks.must_not_be_in("another text", b"Sp3c/ial+secret=value-long-enougX");
}
