//! A Redis that is configured and not there, and settings of one that cannot be.

use crate::harness::{Place, admin_token, get, http};
use crate::ports::free_port;

const DEV: [&str; 6] = ["dev", "--json", "--port", "0", "--data-dir", "data"];

/// The URL of a Redis that nobody runs, with a password.
fn nobody() -> String {
    format!("redis://:canary-word@127.0.0.1:{}", free_port())
}

#[test]
fn a_server_starts_and_serves_without_its_redis() {
    let place = Place::bare().with("REDIS_URL", &nobody()).with("LOG_FORMAT", "json").with("RUST_LOG", "debug");
    let mut running = place.start(&DEV);
    let greeting = running.line();
    let base = greeting["baseUrl"].as_str().unwrap();
    let token = admin_token(base, &greeting);
    assert_eq!(get(base, "/api/v1/agents", &token).0, 200);
    let (status, health) = http(base, "GET", "/health", &[], "");
    let of = |service: &str| health["services"][service]["status"].as_str().unwrap();
    assert_eq!((status, health["status"].as_str().unwrap()), (200, "degraded"));
    assert_eq!((of("database"), of("cache")), ("up", "down"));
    assert_eq!(http(base, "GET", "/health/ready", &[], "").0, 200);
    let database = format!("sqlite://{}", place.path("data/agentidp.db").display());
    let place = place.with("DATABASE_URL", &database);
    // The key is made all the same, and the log says that nobody was told.
    let rotated = place.done(&["keys", "rotate", "--use", "jwt"]);
    assert!(rotated.stdout.contains("published"), "{rotated:?}");
    assert_eq!(rotated.stderr.matches("Redis does not answer").count(), 1, "{rotated:?}");
    let ended = running.terminate();
    assert_eq!((ended.code, ended.stderr.matches("Redis does not answer").count()), (0, 1), "{}", ended.stderr);
    assert!(!format!("{ended:?}{rotated:?}").contains("canary-word"));
}

#[test]
fn authorities_that_are_none_are_named() {
    let place = Place::bare();
    let path = place.write("ca.pem", "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n");
    let place = place.with("REDIS_URL", "rediss://:canary-word@localhost").with("REDIS_CACERT", &path);
    for command in [&DEV[..], &["config", "check", "--profile", "dev"]] {
        let ended = place.run(command);
        ended.failed(2, &[&format!("\n  REDIS_CACERT: `{path}` is broken")]);
        assert!(!ended.stderr.contains("canary-word"), "{ended:?}");
    }
}
