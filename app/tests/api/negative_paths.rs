//! Other spellings of a path open nothing that the path itself does not: over a socket, since clients tidy paths up.

use crate::support::{Client, Database, RawAnswer, TestApp, agent_path};
use serde_json::Value;

/// Spellings of a path that some proxy or server somewhere takes for the path itself.
fn variants(path: &str) -> Vec<String> {
    let (head, last) = path.rsplit_once('/').unwrap();
    let first = last.chars().next().unwrap();
    let middle = path.replacen("/v1/", "/V1/", 1);
    let mut variants = vec![
        format!("/{path}"),
        path.replacen("/v1/", "//v1/", 1),
        path.replacen("/v1/", "/v1//", 1),
        format!("{head}//{last}"),
        format!("{path}/"),
        format!("{path}//"),
        format!("/.{path}"),
        format!("/..{path}"),
        format!("/x/..{path}"),
        format!("{head}/./{last}"),
        format!("{head}/x/../{last}"),
        format!("{path}/."),
        format!("{path}/x/.."),
        format!("/health/..{path}"),
        format!("/docs/..;{path}"),
        format!("{head}%2f{last}"),
        format!("{head}%2F{last}"),
        format!("{head}%252f{last}"),
        format!("{head}/%2e/{last}"),
        format!("{head}/x/%2e%2e/{last}"),
        format!("{head}/x%2f..%2f{last}"),
        format!("{head}/%252e%252e/{last}"),
        format!("{head}\\{last}"),
        format!("{head}/%5c{last}"),
        format!("{head}/..%5c{last}"),
        format!("{path};x"),
        format!("{path};x=/health"),
        format!("{head};x/{last}"),
        format!("{path}%3b"),
        format!("{path}%00"),
        format!("{path}%0a"),
        format!("{path}%20"),
        format!("{path}%23"),
        format!("{path}%3f"),
        format!("{path}?"),
        format!("{path}??x=1"),
        format!("{path}?/health"),
        format!("{path}#x"),
        format!("{path}.json"),
        format!("{path}/health"),
        format!("{head}/%{:02x}{}", u32::from(first), &last[first.len_utf8()..]),
        format!("{head}/%c0%ae%c0%ae/{last}"),
        format!("{path}%ff"),
        format!("{path}%"),
        format!("{path}%zz"),
        path.to_uppercase(),
        middle,
        path.trim_start_matches('/').to_owned(),
        format!("http://127.0.0.1{path}"),
        format!("http://evil.example{path}"),
        format!("https://127.0.0.1:1{path}"),
        format!("{path}\u{0}"),
        format!("{path}\u{e9}"),
        format!("{path}\t"),
        "*".to_owned(),
    ];
    variants.retain(|variant| variant != path);
    variants
}

/// Headers by which some servers are told another method or path.
const OVERRIDES: [&str; 8] = [
    "X-HTTP-Method-Override: GET",
    "X-HTTP-Method: POST",
    "X-Method-Override: DELETE",
    "X-Original-URL: /health/live",
    "X-Rewrite-URL: /health/live",
    "X-Forwarded-Prefix: /health",
    "X-Forwarded-For: 127.0.0.1",
    "Forwarded: for=127.0.0.1;proto=https",
];

struct Operation {
    method: &'static str,
    path: String,
    form: bool,
}

fn operations(victim: &Client, event: &str) -> Vec<Operation> {
    let op = |method, path: String| Operation { method, form: path.contains("/token"), path };
    vec![
        op("POST", "/api/v1/agents".to_owned()),
        op("GET", "/api/v1/agents".to_owned()),
        op("GET", victim.path()),
        op("PATCH", victim.path()),
        op("DELETE", victim.path()),
        op("POST", victim.credentials()),
        op("GET", victim.credentials()),
        op("POST", format!("{}/rotate", victim.credential())),
        op("DELETE", victim.credential()),
        op("POST", "/api/v1/token".to_owned()),
        op("POST", "/api/v1/token/introspect".to_owned()),
        op("POST", "/api/v1/token/revoke".to_owned()),
        op("GET", "/api/v1/audit".to_owned()),
        op("GET", format!("/api/v1/audit/{event}")),
    ]
}

async fn send(
    app: &TestApp,
    method: &str,
    path: &str,
    token: Option<&str>,
    more: Option<&str>,
    form: bool,
) -> RawAnswer {
    let bearer = token.map(|token| format!("Authorization: Bearer {token}"));
    let kind = if form { "application/x-www-form-urlencoded" } else { "application/json" };
    let kind = format!("Content-Type: {kind}");
    let headers: Vec<&str> = [Some(kind.as_str()), bearer.as_deref(), more].into_iter().flatten().collect();
    let body = if form { "token=x&grant_type=client_credentials" } else { "{}" };
    app.raw(&format!("{method} {path} HTTP/1.1"), &headers, if method == "GET" { "" } else { body }).await
}

#[tokio::test]
async fn another_spelling_of_a_path_opens_nothing() {
    let app = TestApp::start(Database::Sqlite).await;
    let victim = app.client("team-a", &["data:read"]).await;
    let everything = ["agents:read", "agents:write", "audit:read", "tokens:read", "tokens:write"];
    let foreign = app.client("team-b", &everything).await;
    let powerless = app.client("team-a", &["data:read"]).await;
    let event = app.audit(&format!("agentId={}", victim.id)).await[0]["eventId"].as_str().unwrap().to_owned();
    let roles = [
        ("nobody", None),
        ("a forger", Some("a.b.c".to_owned())),
        ("one without scopes", Some(app.token(&powerless, None).await)),
        ("another owner", Some(app.token(&foreign, None).await)),
    ];
    let before = app.everything().await;
    let mut tried = 0;
    for operation in operations(&victim, &event) {
        for (role, token) in &roles {
            let method = operation.method;
            let canonical = send(&app, method, &operation.path, token.as_deref(), None, operation.form).await.status;
            let closed = matches!(canonical, 401 | 403 | 404);
            let check = |answer: &RawAnswer, what: &str| {
                // 0: the server closed on what is no HTTP.
                let may = answer.status == canonical || matches!(answer.status, 0 | 400 | 404 | 405);
                let what = format!("{role}: {method} {what:?} is {}, {} is {canonical}", answer.status, operation.path);
                assert!(may, "{what}");
                assert!(!(closed && (200..300).contains(&answer.status)), "{what}");
            };
            for variant in variants(&operation.path) {
                let answer = send(&app, method, &variant, token.as_deref(), None, operation.form).await;
                check(&answer, &variant);
                tried += 1;
            }
            for header in OVERRIDES {
                let answer = send(&app, method, &operation.path, token.as_deref(), Some(header), operation.form).await;
                assert_eq!(answer.status, canonical, "{role}: {method} {} with {header}", operation.path);
            }
            if method == "GET" {
                let head = send(&app, "HEAD", &operation.path, token.as_deref(), None, false).await;
                assert_eq!((head.status, head.body.as_str()), (canonical, ""), "{role}: HEAD {}", operation.path);
            }
        }
    }
    assert!(tried > 2_000, "{tried}");
    // A 400 on the way leaves no half of a change behind. What the other owner did to itself is none.
    assert_eq!(app.everything().await, before);
}

#[tokio::test]
async fn a_method_is_what_the_request_line_says() {
    let app = TestApp::start(Database::Sqlite).await;
    let reader = app.client("team-a", &["agents:read", "agents:write"]).await;
    let token = app.token(&reader, None).await;
    for header in ["X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: PATCH"] {
        for path in [reader.path(), format!("{}?_method=DELETE", reader.path())] {
            let answer = send(&app, "GET", &path, Some(&token), Some(header), false).await;
            assert_eq!(answer.status, 200, "{header}: {answer:?}");
            let read: Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(read["status"], "active", "{header}");
        }
    }
    // Two lengths, or a length and chunks: never two requests out of one.
    let bearer = format!("Authorization: Bearer {token}");
    for smuggle in [
        vec!["Content-Length: 0", "Content-Length: 44"],
        vec!["Content-Length: 4", "Transfer-Encoding: chunked"],
        vec!["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        vec!["Transfer-Encoding: xchunked"],
        vec!["Content-Length: +4"],
        vec!["Content-Length: 0x4"],
    ] {
        let mut headers = vec![bearer.as_str()];
        headers.extend(smuggle.iter().copied());
        let inner = format!("0\r\n\r\nDELETE {} HTTP/1.1\r\nHost: x\r\n{bearer}\r\n\r\n", agent_path(&reader.id));
        let answer = app.raw("POST /api/v1/agents HTTP/1.1", &headers, &inner).await;
        assert!(!(200..300).contains(&answer.status), "{smuggle:?}: {answer:?}");
        assert_eq!(app.ask(&token, "GET", &reader.path(), &Value::Null).await.json["status"], "active", "{smuggle:?}");
    }
}
