//! Signing keys that are replaced and revoked while two servers run.

use crate::support::{Database, TestApp, TestClock, TestDatabase, base64_bytes};
use agentidp_core::domain::key::KeyUse;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const ISSUER: (&str, &str) = ("ISSUER", "http://127.0.0.1:9");

async fn two(database: Database) -> [TestApp; 2] {
    let app = TestApp::start_with(database, &[ISSUER]).await;
    let other = app.replica().await;
    [app, other]
}

async fn kids(app: &TestApp) -> Vec<String> {
    let set = app.call("GET", "/.well-known/jwks.json").send().await;
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    set.json["keys"].as_array().unwrap().iter().map(kid).collect()
}

async fn status(app: &TestApp, token: &str) -> u16 {
    app.call("GET", "/api/v1/agents").bearer(token).send().await.status
}

async fn refresh(apps: &[TestApp]) {
    for app in apps {
        app.refresh_keys().await;
    }
}

async fn a_new_key_is_in_every_key_set_before_it_signs(apps: [TestApp; 2]) {
    let old = kids(&apps[0]).await;
    let token = apps[0].admin_token().await;
    let new = apps[0].key_service().await.rotate(KeyUse::Jwt).await.unwrap();
    refresh(&apps).await;
    for app in &apps {
        assert_eq!(kids(app).await, [new.kid.clone(), old[0].clone()]);
        assert_eq!(status(app, &token).await, 200, "a token of the old key");
        let fresh = app.admin_token().await;
        for other in &apps {
            assert_eq!(status(other, &fresh).await, 200, "a token of now");
        }
    }
    let events = apps[1].audit("action=key.rotated").await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((&events[0]["metadata"]["kid"], &events[0]["agentId"]), (&json!(new.kid), &Value::Null));
}

async fn a_revoked_key_voids_its_tokens_everywhere(apps: [TestApp; 2]) {
    let old = kids(&apps[0]).await.remove(0);
    let token = apps[0].admin_token().await;
    let done = apps[0].key_service().await.revoke(&old).await.unwrap();
    let spare = done.replacement.unwrap().kid;
    refresh(&apps).await;
    for app in &apps {
        assert_eq!(kids(app).await, std::slice::from_ref(&spare));
        assert_eq!(status(app, &token).await, 401);
        assert_eq!(status(app, &app.admin_token().await).await, 200);
    }
    let events = apps[0].audit("action=key.revoked").await;
    assert_eq!((events.len(), &events[0]["metadata"]["kid"]), (1, &json!(old)));
    assert_eq!(apps[0].audit("action=key.rotated").await.len(), 1);
}

/// A server by a clock of the test's own, with these settings.
async fn by_clock(settings: &[(&str, &str)]) -> (TestApp, Arc<TestClock>) {
    let (clock, database) = (TestClock::new(), TestDatabase::make(Database::Sqlite).await);
    (TestApp::start_by(clock.ambient(), database, settings).await, clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_replaces_its_key_when_it_is_old_enough() {
    let day = Duration::from_secs(86_400);
    let (app, clock) = by_clock(&[("KEY_ROTATION_DAYS", "2")]).await;
    clock.advance(day);
    app.background().rotate_keys().await.unwrap();
    app.refresh_keys().await;
    assert_eq!(kids(&app).await.len(), 1);
    let metrics = async || app.call("GET", "/metrics").send().await.text;
    assert!(metrics().await.contains("\nagentidp_signing_key_age_seconds 86400\n"));
    clock.advance(day);
    for _ in 0..2 {
        app.background().rotate_keys().await.unwrap();
        app.refresh_keys().await;
        assert_eq!(kids(&app).await.len(), 2);
    }
    assert!(metrics().await.contains("\nagentidp_signing_key_age_seconds 172800\n"), "the old one signs still");
    clock.advance(Duration::from_secs(305));
    app.refresh_keys().await;
    assert!(metrics().await.contains("\nagentidp_signing_key_age_seconds 305\n"));
    let events = app.audit("action=key.rotated").await;
    assert!(events.iter().all(|event| event["metadata"]["reason"] == "schedule"), "{events:?}");
    let uses: BTreeSet<&str> = events.iter().map(|event| event["metadata"]["use"].as_str().unwrap()).collect();
    assert_eq!((events.len(), uses), (2, BTreeSet::from(["biscuit", "jwt"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_be_told_never_to_replace_its_key() {
    let (app, clock) = by_clock(&[("KEY_ROTATION_DAYS", "0")]).await;
    clock.advance(Duration::from_secs(10 * 365 * 86_400));
    app.background().rotate_keys().await.unwrap();
    app.refresh_keys().await;
    assert_eq!(kids(&app).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_algorithm_is_published_at_start_and_signs_later() {
    let (clock, database) = (TestClock::new(), TestDatabase::make(Database::Sqlite).await);
    let first = TestApp::start_by(clock.ambient(), database.share(), &[ISSUER]).await;
    let settings = [ISSUER, ("SIGNING_ALG", "EdDSA")];
    let mut second = TestApp::start_by(clock.ambient(), database.share(), &settings).await;
    second.admin = first.admin.clone();
    let algorithms = async |app: &TestApp| {
        let set = app.call("GET", "/.well-known/jwks.json").send().await.json;
        set["keys"].as_array().unwrap().iter().map(|key| key["alg"].clone()).collect::<Vec<_>>()
    };
    first.refresh_keys().await;
    for app in [&first, &second] {
        assert_eq!(algorithms(app).await, ["EdDSA", "ES256"]);
    }
    let signed_by = |token: &str| {
        let header: Value = serde_json::from_slice(&base64_bytes(token.split('.').next().unwrap())).unwrap();
        header["alg"].clone()
    };
    assert_eq!(signed_by(&second.admin_token().await), "ES256");
    clock.advance(Duration::from_secs(305));
    for app in [&first, &second] {
        app.refresh_keys().await;
    }
    let token = second.admin_token().await;
    assert_eq!((signed_by(&token), status(&first, &token).await), (json!("EdDSA"), 200));
    let events = first.audit("action=key.rotated").await;
    assert_eq!((events.len(), &events[0]["metadata"]["reason"]), (1, &json!("algorithm")));
    // The same again changes nothing.
    let third = TestApp::start_by(clock.ambient(), database, &settings).await;
    assert_eq!(algorithms(&third).await.len(), 2);
}

macro_rules! on_two {
    ($($name:ident),+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::two(crate::support::Database::Sqlite).await).await; })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::two(crate::support::Database::Postgres).await).await; })+
        }
    };
}
on_two!(a_new_key_is_in_every_key_set_before_it_signs, a_revoked_key_voids_its_tokens_everywhere);
