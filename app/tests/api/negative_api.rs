//! Sizes, methods and routes that are refused, and what every answer carries.

use crate::support::{Database, TestApp, UNKNOWN, agent_path, new_agent};
use serde_json::{Value, json};
use std::fmt::Write;

const JSON: &str = "application/json";
const AGENTS: &str = "/api/v1/agents";
const LIMIT: usize = 64 * 1024;

#[tokio::test]
async fn bodies_are_limited_before_anything_is_looked_at() {
    let app = TestApp::start(Database::Sqlite).await;
    let agent = app.client("team-a", &["data:read"]).await;
    let token = app.admin_token().await;
    let chunk = format!("{:x}\r\n{}\r\n", 8 * 1024, "a".repeat(8 * 1024));
    let oversize = format!("{}0\r\n\r\n", chunk.repeat(9));
    let rotate = format!("POST {}/rotate", agent.credential());
    let patch = format!("PATCH {}", agent.path());
    let generate = format!("POST {}", agent.credentials());
    for line in [
        "POST /api/v1/agents",
        &patch,
        &generate,
        &rotate,
        "GET /api/v1/agents",
        "POST /api/v1/token",
        "POST /api/v1/token/introspect",
        "POST /api/v1/token/revoke",
        "GET /api/v1/audit",
        "GET /health/live",
        "PUT /api/v1/agents",
        "POST /nowhere",
        "DELETE /api/v1/nowhere",
    ] {
        let path = line.split(' ').nth(1).unwrap();
        let expected = if path.starts_with("/api/v1/token") { "413 invalid_request" } else { "413 PAYLOAD_TOO_LARGE" };
        let line = format!("{line} HTTP/1.1");
        let declared = format!("Content-Length: {}", LIMIT + 1);
        let answer = app.raw(&line, &[&declared], "").await;
        assert_eq!(answer.failure(), expected, "declared: {line} {answer:?}");
        assert_ne!(answer.header("x-request-id"), "", "{line}");
        let answer = app.raw(&line, &["Transfer-Encoding: chunked"], &oversize).await;
        assert_eq!(answer.failure(), expected, "chunked: {line}");
        let answer = app.raw(&line, &["Content-Length: 99999999999999999999"], "").await;
        assert!(matches!(answer.status, 400 | 413), "{line}: {answer:?}");
    }
    // The limit itself is within.
    let fill = |body: &str| format!("{body}{}", " ".repeat(LIMIT - body.len()));
    let body = fill(&new_agent("team-a", &["data:read"]).to_string());
    assert_eq!(app.call("POST", AGENTS).bearer(&token).body(JSON, body.clone()).send().await.status, 201);
    let more = app.call("POST", AGENTS).bearer(&token).body(JSON, format!("{body} ")).send().await;
    assert_eq!(more.failure(), "413 PAYLOAD_TOO_LARGE");
    let headers = format!("X-Long: {}", "a".repeat(17 * 1024));
    let answer = app.raw("GET /health/live HTTP/1.1", &[&headers], "").await;
    assert_eq!(answer.failure(), "431 PAYLOAD_TOO_LARGE");
    assert_ne!(answer.header("x-request-id"), "");
    let many: Vec<String> = (0..80).map(|index| format!("X-{index}: a")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(app.raw("POST /api/v1/token HTTP/1.1", &many, "").await.failure(), "431 invalid_request");
    let headers = format!("X-Long: {}", "a".repeat(64 * 1024));
    assert_eq!(app.raw("GET /health/live HTTP/1.1", &[&headers], "").await.status, 431, "far beyond");
}

#[tokio::test]
async fn other_methods_and_routes_are_refused_before_authentication() {
    let app = TestApp::start(Database::Sqlite).await;
    let agent = app.client("team-a", &["data:read"]).await;
    let agents = "GET, HEAD, POST";
    for (path, allow, methods) in [
        (AGENTS.to_owned(), agents, "PUT PATCH DELETE OPTIONS TRACE LINK get"),
        (agent.path(), "DELETE, GET, HEAD, PATCH", "POST PUT OPTIONS TRACE PURGE"),
        (agent_path("x"), "DELETE, GET, HEAD, PATCH", "POST PUT"),
        (agent.credentials(), agents, "PUT PATCH DELETE OPTIONS"),
        (agent.credential(), "DELETE", "GET HEAD POST PUT PATCH OPTIONS"),
        (format!("{}/rotate", agent.credential()), "POST", "GET HEAD PUT PATCH DELETE OPTIONS"),
        ("/api/v1/token".to_owned(), "POST", "GET HEAD PUT PATCH DELETE OPTIONS"),
        ("/api/v1/token/introspect".to_owned(), "POST", "GET HEAD PUT DELETE"),
        ("/api/v1/token/revoke".to_owned(), "POST", "GET HEAD PUT DELETE"),
        ("/api/v1/audit".to_owned(), "GET, HEAD", "POST PUT PATCH DELETE"),
        (format!("/api/v1/audit/{UNKNOWN}"), "GET, HEAD", "POST PUT PATCH DELETE"),
        ("/health".to_owned(), "GET, HEAD", "POST DELETE"),
        ("/metrics".to_owned(), "GET, HEAD", "POST PUT DELETE"),
        ("/.well-known/jwks.json".to_owned(), "GET, HEAD", "POST PUT DELETE"),
        ("/.well-known/biscuit-keys".to_owned(), "GET, HEAD", "POST PUT DELETE"),
        ("/openapi.json".to_owned(), "GET, HEAD", "POST"),
        ("/docs".to_owned(), "GET, HEAD", "POST"),
    ] {
        for method in methods.split(' ') {
            let answer = app.call(method, &path).send().await;
            let failure =
                if path.starts_with("/api/v1/token") { "405 invalid_request" } else { "405 METHOD_NOT_ALLOWED" };
            let failure = if method == "HEAD" { "405 -" } else { failure };
            assert_eq!((answer.failure().as_str(), answer.header("allow")), (failure, allow), "{method} {path}");
        }
        if allow.contains("HEAD") {
            let (get, head) = (app.call("GET", &path).send().await, app.call("HEAD", &path).send().await);
            assert_eq!((head.status, head.text.as_str()), (get.status, ""), "HEAD {path}");
        }
    }
    let token = app.admin_token().await;
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v2/agents",
        "/api/v1/agent",
        "/agents",
        "/token",
        "/api/v1/token/",
        "/api/v1/tokens",
        "/api/v1/agents/x/y",
        "/health/",
        "/.well-known",
        "/.well-known/jwks.json/x",
        "/metrics/x",
        "/admin",
        "/.env",
        "/api/v1/openapi.json",
        "/%ff",
        "/%00",
    ] {
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            for call in
                [app.call(method, path), app.call(method, path).bearer(&token), app.call(method, path).bearer("x")]
            {
                assert_eq!(call.send().await.failure(), "404 NOT_FOUND", "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn every_answer_carries_the_headers() {
    let app = TestApp::start(Database::Sqlite).await;
    let client = app.client("team-a", &["data:read"]).await;
    let token = app.token(&client, None).await;
    let admin = app.admin_token().await;
    let declared = format!("Content-Length: {}", LIMIT + 1);
    let (bearer, admin) = (format!("Authorization: Bearer {token}"), format!("Authorization: Bearer {admin}"));
    let agent = new_agent("team-a", &["data:read"]).to_string();
    let get = |path: &str| format!("GET {path} HTTP/1.1");
    let cases: Vec<(String, Vec<&str>, &str, u16)> = vec![
        (get("/health"), vec![], "", 200),
        (get("/health/live"), vec![], "", 200),
        (get("/metrics"), vec![], "", 200),
        (get("/.well-known/jwks.json"), vec![], "", 200),
        (get("/.well-known/biscuit-keys"), vec![], "", 200),
        (get("/.well-known/oauth-authorization-server"), vec![], "", 200),
        (get("/openapi.json"), vec![], "", 200),
        (get("/docs"), vec![], "", 200),
        (get(AGENTS), vec![&admin], "", 200),
        (get(AGENTS).replace("GET", "HEAD"), vec![&admin], "", 200),
        (get(AGENTS).replace("GET", "POST"), vec![&admin, "Content-Type: application/json"], &agent, 201),
        (get(&client.path()).replace("GET", "DELETE"), vec![&admin], "", 204),
        (get(AGENTS), vec![], "", 401),
        (get(AGENTS), vec!["Authorization: Bearer x"], "", 401),
        (get(AGENTS), vec!["Authorization: Basic eDp5"], "", 401),
        (get(AGENTS), vec![&admin, &admin], "", 400),
        (get(AGENTS), vec!["Authorization: \u{e9}"], "", 401),
        (get(AGENTS).replace("GET", "POST"), vec![&admin, "Content-Type: application/json"], "{", 400),
        (get(AGENTS).replace("GET", "POST"), vec![&admin], "{}", 415),
        (get(AGENTS).replace("GET", "PUT"), vec![], "", 405),
        (get(AGENTS).replace("GET", "POST"), vec![&declared], "", 413),
        (get(&agent_path(UNKNOWN)), vec![&admin], "", 404),
        (get("/nowhere"), vec![], "", 404),
        (get("/.well-known/nowhere"), vec![], "", 404),
        (get("/.well-known/jwks.json").replace("GET", "POST"), vec![], "", 405),
        (get("/api/v1/token").replace("GET", "POST"), vec![], "", 415),
        (get("/api/v1/token").replace("GET", "POST"), vec!["Content-Type: application/x-www-form-urlencoded"], "", 401),
        (get("/api/v1/token"), vec![], "", 405),
    ];
    // A token of the client that was just decommissioned is dead, one of another without scopes is refused.
    let plain = app.client("team-b", &["data:read"]).await;
    let plain = format!("Authorization: Bearer {}", app.token(&plain, None).await);
    let last = [(get(AGENTS), vec![bearer.as_str()], "", 401), (get(AGENTS), vec![plain.as_str()], "", 403)];
    for (line, headers, body, status) in cases.into_iter().chain(last) {
        let mut headers = headers;
        headers.push("X-Request-Id: the-caller's");
        let answer = app.raw(&line, &headers, body).await;
        assert_eq!(answer.status, status, "{line} {answer:?}");
        let id = answer.header("x-request-id");
        assert!(uuid::Uuid::parse_str(id).is_ok(), "{line}: an id that is no sane token is replaced: {id}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-embedder-policy", "require-corp"),
        ] {
            assert_eq!(answer.header(name), value, "{line}");
        }
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{line}: {policy}"
        );
        let keys = (line.contains("jwks") || line.contains("biscuit-keys")) && status == 200;
        assert_eq!(answer.header("cache-control"), if keys { "public, max-age=300" } else { "no-store" }, "{line}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{line}");
        assert_eq!(answer.header("server"), "", "{line}");
        let challenge = answer.header("www-authenticate");
        assert_eq!(
            challenge.starts_with("Bearer realm=\"agentidp\""),
            matches!(status, 401 | 403),
            "{line}: {challenge}"
        );
        assert_eq!(answer.header("allow").is_empty(), status != 405, "{line}");
        if status >= 400 {
            assert_eq!(answer.header("content-type"), JSON, "{line}");
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            let oauth = line.contains("/token");
            assert_eq!(body["requestId"], if oauth { Value::Null } else { json!(id) }, "{line}");
        }
    }
    for id in ["a", "A-b_c.9", &"x".repeat(64)] {
        let answer = app.call("GET", "/nowhere").header("X-Request-Id", id).send().await;
        assert_eq!((answer.header("x-request-id"), &answer.json["requestId"]), (id, &json!(id)));
    }
    for id in ["", "a b", "\u{e9}", &"x".repeat(65), "<script>", "a\tb"] {
        let answer = app.call("GET", "/nowhere").header("X-Request-Id", id).send().await;
        assert!(uuid::Uuid::parse_str(answer.header("x-request-id")).is_ok(), "{id}");
    }
    let mut text = String::new();
    write!(text, "{:?}", app.call("GET", "/nowhere").header("Origin", "https://evil.example").send().await).unwrap();
    assert!(!text.contains("access-control"), "{text}");
}
