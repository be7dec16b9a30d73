//! A server that could not read what others changed judges nobody, at any operation, and goes on with the rest.

use crate::support::{Call, Client, Database, TestApp, TestClock, TestDatabase};
use agentidp::http::operations::{Access, Body, OPERATIONS, Operation};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A server by a clock of the test's own, a client with every right, and a token of it.
async fn scene() -> (TestApp, Arc<TestClock>, Client, String) {
    let (clock, database) = (TestClock::new(), TestDatabase::make(Database::Sqlite).await);
    let app = TestApp::start_by(clock.ambient(), database, &[]).await;
    let client = app.client("team-a", &["agents:*", "tokens:*", "audit:read", "admin:all"]).await;
    let token = app.token(&client, None).await;
    (app, clock, client, token)
}

/// A request for the operation that would be answered, once for each way to say who asks.
fn requests(app: &TestApp, operation: &Operation, client: &Client, token: &str) -> Vec<Call> {
    let path = operation.path.replace("{agentId}", &client.id);
    let path =
        path.replace("{credentialId}", client.credential_id.as_deref().unwrap()).replace("{eventId}", &client.id);
    let call = || match operation.body {
        Body::Form => app.call(operation.method, &path).form(&[("token", token), ("grant_type", "client_credentials")]),
        Body::None => app.call(operation.method, &path),
        Body::Json | Body::OptionalJson => app.call(operation.method, &path).json(&json!({})),
    };
    let mut calls = Vec::new();
    if operation.access != Access::Client {
        // A token of a key that is not known here may be one of a key that is new.
        calls.extend([token, "no.token.of-ours"].map(|token| call().bearer(token)));
    }
    if operation.access != Access::Bearer {
        calls.extend([client.secret.as_str(), "another"].map(|secret| call().basic(&client.id, secret)));
    }
    calls
}

async fn ready(app: &TestApp) -> u16 {
    app.call("GET", "/health/ready").send().await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_says_that_it_does_not_know() {
    let (app, clock, client, token) = scene().await;
    clock.advance(Duration::from_secs(6));
    for operation in &OPERATIONS {
        let calls = requests(&app, operation, &client, &token);
        assert!(!calls.is_empty(), "{}", operation.id);
        for call in calls {
            let answer = call.send().await;
            let code = if operation.body == Body::Form { "temporarily_unavailable" } else { "SERVICE_UNAVAILABLE" };
            assert_eq!(answer.failure(), format!("503 {code}"), "{}", operation.id);
            assert_eq!(answer.header("retry-after"), "1", "{}", operation.id);
        }
    }
    for path in ["/.well-known/jwks.json", "/.well-known/biscuit-keys", "/.well-known/oauth-authorization-server"] {
        assert_eq!(app.call("GET", path).send().await.status, 200, "{path}");
    }
    for path in ["/openapi.json", "/docs", "/health", "/health/live", "/metrics"] {
        assert_eq!(app.call("GET", path).send().await.status, 200, "{path}");
    }
    assert_eq!(ready(&app).await, 503);

    app.refresh_keys().await;
    assert_eq!(ready(&app).await, 200);
    let list = app.call("GET", "/api/v1/agents").bearer(&token).send().await;
    assert_eq!(list.status, 200, "{list:?}");
    assert_eq!(app.audit("action=auth.failed").await, Vec::<serde_json::Value>::new(), "nobody was judged");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_grows_old() {
    let (app, clock, client, token) = scene().await;
    let status = async || app.call("GET", "/api/v1/agents").bearer(&token).send().await.status;
    for table in ["signing_keys", "credential_grace"] {
        app.execute(&format!("ALTER TABLE {table} RENAME TO gone"));
        clock.advance(Duration::from_secs(4));
        app.background().watch().await.unwrap_err();
        assert_eq!(ready(&app).await, 200, "{table}");
        clock.advance(Duration::from_secs(2));
        app.background().watch().await.unwrap_err();
        assert_eq!((status().await, ready(&app).await), (503, 503), "{table}");
        app.execute(&format!("ALTER TABLE gone RENAME TO {table}"));
        app.background().watch().await.unwrap();
        assert_eq!(status().await, 200, "{table}");
    }
    clock.advance(Duration::from_secs(5));
    assert_eq!(app.token_answer(&client, &[]).await.status, 200, "five seconds are not too long");
}
