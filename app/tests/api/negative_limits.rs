//! Limits, and the order in which answers come: 413, 404 and 405, 401, 429, 415, 403 and 404, 400, 409 and 422.

use crate::support::{Answer, Client, Database, TestApp, UNKNOWN, agent_path, new_agent};
use serde_json::{Value, json};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const AGENTS: &str = "/api/v1/agents";
const LIMIT: usize = 64 * 1024;

/// A refusal by a limit says how it stands and when to come back.
fn limited(answer: &Answer, limit: u32, expected: &str) {
    assert_eq!(answer.failure(), expected, "{answer:?}");
    let number = |name: &str| answer.header(name).parse::<u32>().unwrap_or_else(|_| panic!("{name}: {answer:?}"));
    assert_eq!((number("ratelimit-limit"), number("ratelimit-remaining")), (limit, 0));
    assert!((1..=60).contains(&number("retry-after")) && (1..=60).contains(&number("ratelimit-reset")), "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
}

/// Answers with each header of a limit, counting down.
fn counted(answer: &Answer, limit: u32, remaining: u32) {
    assert_ne!(answer.status, 429, "{answer:?}");
    assert_eq!(answer.header("ratelimit-limit"), limit.to_string(), "{answer:?}");
    assert_eq!(answer.header("ratelimit-remaining"), remaining.to_string(), "{answer:?}");
    assert_eq!(answer.header("retry-after"), "");
}

async fn start(settings: &[(&str, &str)]) -> TestApp {
    TestApp::start_with(Database::Sqlite, settings).await
}

#[tokio::test]
async fn a_client_has_one_budget_at_the_api_and_the_token_endpoint() {
    let app = start(&[("RATE_LIMIT_PER_MINUTE", "10")]).await;
    let client = app.client("team-a", &["data:read"]).await;
    let other = app.client("team-a", &["data:read"]).await;
    let token = {
        let issued = app.token_answer(&client, &[]).await;
        counted(&issued, 10, 9);
        issued.json["access_token"].as_str().unwrap().to_owned()
    };
    let bearer = || app.call("POST", AGENTS).bearer(&token);
    // Whatever becomes of them, requests count: 403, 415, 400, and a bad form of an authenticated client.
    counted(&app.ask(&token, "GET", AGENTS, &Value::Null).await, 10, 8);
    counted(&bearer().body("text/plain", "x").send().await, 10, 7);
    counted(&bearer().json(&json!({})).send().await, 10, 6);
    counted(&app.token_answer(&client, &[("scope", "*")]).await, 10, 5);
    let bad = |path: &str, kind: &str, body: &'static str| {
        app.call("POST", path).basic(&client.id, &client.secret).body(kind, body).send()
    };
    counted(&bad("/api/v1/token", "text/plain", "x").await, 10, 4);
    counted(&bad("/api/v1/token", FORM, "grant_type=%").await, 10, 3);
    counted(&bad("/api/v1/token/revoke", JSON, "{}").await, 10, 2);
    let revoked = app.call("POST", "/api/v1/token/revoke").bearer(&token).form(&[("token", "x")]).send().await;
    counted(&revoked, 10, 1);
    counted(&app.ask(&token, "GET", &agent_path("x"), &Value::Null).await, 10, 0);

    // Now nothing goes, and the limit comes before media type, policy and validation.
    limited(&app.ask(&token, "GET", AGENTS, &Value::Null).await, 10, "429 RATE_LIMIT_EXCEEDED");
    limited(&bearer().body("text/plain", "x").send().await, 10, "429 RATE_LIMIT_EXCEEDED");
    limited(&bearer().json(&json!({})).send().await, 10, "429 RATE_LIMIT_EXCEEDED");
    limited(&app.token_answer(&client, &[]).await, 10, "429 rate_limit_exceeded");
    for path in ["/api/v1/token", "/api/v1/token/revoke"] {
        limited(&bad(path, "text/plain", "x").await, 10, "429 rate_limit_exceeded");
        limited(&bad(path, FORM, "%").await, 10, "429 rate_limit_exceeded");
    }
    // But not before size, route, method and authentication.
    let large = app.call("POST", AGENTS).bearer(&token).body(JSON, " ".repeat(LIMIT + 1)).send().await;
    assert_eq!(large.failure(), "413 PAYLOAD_TOO_LARGE");
    assert_eq!(app.ask(&token, "GET", "/nowhere", &Value::Null).await.failure(), "404 NOT_FOUND");
    assert_eq!(app.ask(&token, "PUT", AGENTS, &Value::Null).await.failure(), "405 METHOD_NOT_ALLOWED");
    assert_eq!(app.ask("x", "GET", AGENTS, &Value::Null).await.failure(), "401 UNAUTHORIZED");
    let wrong = Client { secret: other.secret.clone(), ..client.clone() };
    assert_eq!(app.token_answer(&wrong, &[]).await.failure(), "401 invalid_client");
    // Introspection and other clients have their own, and open routes have none.
    let seen = app.call("POST", "/api/v1/token/introspect").basic(&client.id, &client.secret).form(&[("token", "x")]);
    assert_eq!(seen.send().await.status, 200);
    assert_eq!(app.token_answer(&other, &[]).await.status, 200);
    let open = app.call("GET", "/.well-known/jwks.json").send().await;
    assert_eq!((open.status, open.header("ratelimit-limit")), (200, ""));
}

#[tokio::test]
async fn introspection_has_its_own_limit() {
    let app = start(&[("INTROSPECTION_RATE_LIMIT_PER_MINUTE", "3")]).await;
    let client = app.client("team-a", &["data:read", "tokens:read"]).await;
    let token = app.token(&client, None).await;
    let ask = |kind: &str, body: &'static str| {
        app.call("POST", "/api/v1/token/introspect").basic(&client.id, &client.secret).body(kind, body).send()
    };
    counted(&ask(FORM, "token=x").await, 3, 2);
    let bearer = app.call("POST", "/api/v1/token/introspect").bearer(&token).form(&[("token", "x")]).send().await;
    counted(&bearer, 3, 1);
    counted(&ask(JSON, "{}").await, 3, 0);
    for (kind, body) in [(FORM, "token=x"), (JSON, "{}"), (FORM, ""), (FORM, "%")] {
        limited(&ask(kind, body).await, 3, "429 rate_limit_exceeded");
    }
    assert_eq!(app.token_answer(&client, &[]).await.status, 200);
    assert_eq!(app.ask(&token, "GET", AGENTS, &Value::Null).await.failure(), "403 FORBIDDEN");
}

#[tokio::test]
async fn failures_of_a_source_are_limited_and_successes_never_counted() {
    let app = start(&[("AUTH_FAILURES_PER_MINUTE", "6")]).await;
    let client = app.client("team-a", &["data:read", "tokens:read"]).await;
    let wrong = Client { secret: app.admin.secret.clone(), ..client.clone() };
    for _ in 0..20 {
        assert_eq!(app.token_answer(&client, &[]).await.status, 200);
    }
    let token = app.token(&client, None).await;
    let grant = [("grant_type", "client_credentials"), ("token", "x")];
    let post = |path: &str| app.call("POST", path);
    // A new address in a header is no new source.
    let first = post("/api/v1/token").basic(&wrong.id, &wrong.secret).header("X-Forwarded-For", "198.51.100.1");
    assert_eq!(first.form(&grant).send().await.failure(), "401 invalid_client");
    assert_eq!(app.token_by_body(&wrong).await.failure(), "401 invalid_client");
    assert_eq!(post("/api/v1/token").form(&grant).send().await.failure(), "401 invalid_client");
    let unknown = Client { id: UNKNOWN.to_owned(), ..client.clone() };
    assert_eq!(app.token_answer(&unknown, &[]).await.failure(), "401 invalid_client");
    let bad = post("/api/v1/token/introspect").bearer("x").form(&grant).send().await;
    assert_eq!(bad.failure(), "401 invalid_token");
    let bad = post("/api/v1/token/revoke").basic(&wrong.id, &wrong.secret).body("text/plain", "x").send().await;
    assert_eq!(bad.failure(), "401 invalid_client");
    // Refusals of an authenticated client are no failures of authentication.
    assert_eq!(app.token_answer(&client, &[("scope", "*")]).await.status, 429);
    for client in [&wrong, &client, &unknown] {
        let by_basic =
            post("/api/v1/token").basic(&client.id, &client.secret).header("X-Forwarded-For", "198.51.100.9");
        limited(&by_basic.form(&grant).send().await, 6, "429 rate_limit_exceeded");
        limited(&app.token_by_body(client).await, 6, "429 rate_limit_exceeded");
    }
    for path in ["/api/v1/token/introspect", "/api/v1/token/revoke"] {
        limited(&post(path).bearer(&token).form(&grant).send().await, 6, "429 rate_limit_exceeded");
        limited(&post(path).form(&grant).send().await, 6, "429 rate_limit_exceeded");
    }
    // The API goes on: its tokens were not guessed.
    assert_eq!(app.ask(&token, "GET", AGENTS, &Value::Null).await.failure(), "403 FORBIDDEN");
    assert_eq!(app.ask("x", "GET", AGENTS, &Value::Null).await.failure(), "401 UNAUTHORIZED");
    // Size, route and method come before.
    assert_eq!(post("/api/v1/token").body(FORM, " ".repeat(LIMIT + 1)).send().await.failure(), "413 invalid_request");
    assert_eq!(app.call("GET", "/api/v1/token").send().await.failure(), "405 invalid_request");
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_address_is_a_source() {
    let app = start(&[("AUTH_FAILURES_PER_MINUTE", "2"), ("TRUSTED_PROXIES", "127.0.0.1/32")]).await;
    let client = app.client("team-a", &["data:read"]).await;
    let from = async |address: &str, secret: &str| {
        let call = app.call("POST", "/api/v1/token").basic(&client.id, secret).header("X-Forwarded-For", address);
        call.form(&[("grant_type", "client_credentials")]).send().await.status
    };
    for address in ["198.51.100.1", "198.51.100.1"] {
        assert_eq!(from(address, "x").await, 401);
    }
    // The attacker is shut out, whatever it puts to the left; the client is not.
    assert_eq!(from("198.51.100.1", &client.secret).await, 429);
    assert_eq!(from("203.0.113.5, 198.51.100.1", &client.secret).await, 429);
    assert_eq!(from("198.51.100.2", &client.secret).await, 200);
    // A customer has a /64.
    assert_eq!(from("2001:db8:1:2::1", "x").await, 401);
    assert_eq!(from("2001:db8:1:2:ffff::9", "x").await, 401);
    assert_eq!(from("2001:db8:1:2:3:4:5:6", &client.secret).await, 429);
    assert_eq!(from("2001:db8:1:3::1", &client.secret).await, 200);
    assert_eq!(from("::ffff:198.51.100.1", &client.secret).await, 429);
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_contract() {
    let app = start(&[]).await;
    let manager = app.client("team-a", &["agents:read", "agents:write", "data:read"]).await;
    let peer = app.client("team-a", &["data:read"]).await;
    let gone = app.client("team-a", &["data:read"]).await;
    let token = app.token(&manager, None).await;
    let reader = app.token(&manager, Some("agents:read")).await;
    let admin = app.admin_token().await;
    assert_eq!(app.ask(&admin, "DELETE", &gone.path(), &Value::Null).await.status, 204);
    let agent = new_agent("team-a", &["data:read"]);
    let first = app.asking(&token, "POST", AGENTS, &agent).header("Idempotency-Key", "k").send().await;
    assert_eq!(first.status, 201);
    let large = " ".repeat(LIMIT + 1);
    let good = new_agent("team-a", &["data:read"]).to_string();
    let unknown = agent_path(UNKNOWN);
    let rotate = format!("{}/{UNKNOWN}/rotate", gone.credentials());
    let (own, ended) = (peer.path(), gone.path());
    // Method, path, token, media type, body, and the first of all that is wrong.
    let cases: Vec<(&str, &str, &str, &str, &str, &str)> = vec![
        ("POST", "/nowhere", "x", "text/plain", &large, "413 PAYLOAD_TOO_LARGE"),
        ("PUT", AGENTS, "x", "text/plain", &large, "413 PAYLOAD_TOO_LARGE"),
        ("POST", AGENTS, "x", "text/plain", &large, "413 PAYLOAD_TOO_LARGE"),
        ("POST", "/nowhere", "x", "text/plain", "{", "404 NOT_FOUND"),
        ("PUT", AGENTS, "x", "text/plain", "{", "405 METHOD_NOT_ALLOWED"),
        ("POST", AGENTS, "x", "text/plain", "{", "401 UNAUTHORIZED"),
        ("PATCH", &unknown, "x", "text/plain", "{", "401 UNAUTHORIZED"),
        ("POST", AGENTS, &reader, "text/plain", "{", "415 UNSUPPORTED_MEDIA_TYPE"),
        ("PATCH", &unknown, &token, "text/plain", "{", "415 UNSUPPORTED_MEDIA_TYPE"),
        ("POST", AGENTS, &reader, JSON, "{", "403 FORBIDDEN"),
        ("PATCH", &unknown, &reader, JSON, "{", "403 FORBIDDEN"),
        ("PATCH", &unknown, &token, JSON, "{", "404 AGENT_NOT_FOUND"),
        ("POST", AGENTS, &token, JSON, "{", "400 VALIDATION_ERROR"),
        ("POST", AGENTS, &token, JSON, "{\"owner\":\"team-b\"}", "403 FORBIDDEN"),
        ("PATCH", &own, &token, JSON, "{\"owner\":\"team-b\",\"x\":1}", "403 FORBIDDEN"),
        ("PATCH", &ended, &token, JSON, "{}", "400 VALIDATION_ERROR"),
        ("PATCH", &ended, &token, JSON, "{\"version\":\"2.0.0\"}", "422 IDEMPOTENCY_CONFLICT"),
        ("POST", &rotate, &reader, JSON, "{", "403 FORBIDDEN"),
        ("POST", AGENTS, &token, JSON, &good, "422 IDEMPOTENCY_CONFLICT"),
    ];
    for (method, path, token, kind, body, expected) in cases {
        let call = app.call(method, path).bearer(token).header("Idempotency-Key", "k").body(kind, body.to_owned());
        assert_eq!(call.send().await.failure(), expected, "{method} {path} {kind} {body:.40}");
    }
    let unkeyed = app.ask(&token, "PATCH", &ended, &json!({"version": "2.0.0"})).await;
    assert_eq!(unkeyed.failure(), "409 AGENT_ALREADY_DECOMMISSIONED");
    let plain = app.token(&peer, None).await;
    for (path, token, kind, body, expected) in [
        ("introspect", "x", "text/plain", "%", "401 invalid_token"),
        ("introspect", &plain, "text/plain", "%", "415 invalid_request"),
        ("introspect", &plain, FORM, "%", "403 insufficient_scope"),
        ("introspect", &plain, FORM, "", "403 insufficient_scope"),
        ("revoke", &plain, FORM, "%", "400 invalid_request"),
        ("revoke", &plain, FORM, "", "400 invalid_request"),
    ] {
        let answer = app.call("POST", &format!("/api/v1/token/{path}")).bearer(token).body(kind, body).send().await;
        assert_eq!(answer.failure(), expected, "{path} {kind} {body}");
    }
    // A bearer token is no client authentication, however bad the form is.
    let answer = app.call("POST", "/api/v1/token").bearer(&plain).body("text/plain", "%").send().await;
    assert_eq!(answer.failure(), "401 invalid_client");
}
