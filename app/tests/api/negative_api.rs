//! The JSON endpoints against requests that are wrong, and what every answer carries.

use crate::support::{Database, TestApp, UNKNOWN, agent_path, new_agent};
use serde_json::{Value, json};
use std::fmt::Write;

const JSON: &str = "application/json";
const AGENTS: &str = "/api/v1/agents";
const LIMIT: usize = 64 * 1024;

#[tokio::test]
async fn all_invalid_fields_are_named_at_once() {
    let app = TestApp::start(Database::Sqlite).await;
    let agent = app.client("team-a", &["data:read"]).await;
    let token = app.admin_token().await;
    let before = app.everything().await;
    let all = ["agentType", "capabilities", "deploymentEnv", "email", "owner", "version"];
    let good = || new_agent("team-a", &["data:read"]);
    let with = |name: &str, value: Value| {
        let mut body = good();
        body[name] = value;
        body
    };
    let each = |value: Value| all.iter().map(|name| ((*name).to_owned(), value.clone())).collect::<Value>();
    let many = |count: usize| json!((0..count).map(|index| format!("a:b{index}")).collect::<Vec<_>>());
    let mut cases: Vec<(Value, Vec<&str>)> = vec![
        (json!({}), all.to_vec()),
        (each(Value::Null), all.to_vec()),
        (each(json!(1)), all.to_vec()),
        (each(json!("")), all.to_vec()),
        (each(json!([])), all.to_vec()),
        (each(json!({})), all.to_vec()),
        (each(json!(true)), all.to_vec()),
        (each(json!("\u{0}")), all.to_vec()),
        (json!({"x": 1, "y": {"z": []}}), [all.as_slice(), &["x", "y"]].concat()),
        (with("version", json!("1.0")), vec!["version"]),
        (with("agentType", json!("Screener")), vec!["agentType"]),
        (with("deploymentEnv", json!("production ")), vec!["deploymentEnv"]),
        (with("capabilities", many(65)), vec!["capabilities"]),
        (with("capabilities", json!(["data:read", "data:read"])), vec!["capabilities"]),
        (with("capabilities", json!(["data:read", 1])), vec!["capabilities"]),
        (with("capabilities", json!(["data:read", ["data:read"]])), vec!["capabilities"]),
        (with("version", json!(format!("1.0.0-{}", "a".repeat(60)))), vec!["version"]),
        (with("", json!(1)), vec![""]),
    ];
    for text in [
        "data",
        "data:",
        ":read",
        "*:read",
        "*",
        "*:*",
        "data:**",
        "data:r*",
        "Data:read",
        "data:re ad",
        "data:read:x",
        "d\u{e4}ta:read",
        "-data:read",
        &format!("data:{}", "a".repeat(60)),
    ] {
        cases.push((with("capabilities", json!([text])), vec!["capabilities"]));
    }
    for text in [" team-a", "team-a ", "team\na", "\u{a0}team-a", &"a".repeat(129), "\u{7f}a", "a\u{85}b"] {
        cases.push((with("owner", json!(text)), vec!["owner"]));
    }
    for text in [
        "a",
        "a@",
        "@example.com",
        "a b@example.com",
        "a@example.com\n",
        "\"a\"@example.com",
        "a@b@c.example",
        &format!("{}@example.com", "a".repeat(250)),
    ] {
        cases.push((with("email", json!(text)), vec!["email"]));
    }
    for (body, fields) in &cases {
        let answer = app.ask(&token, "POST", AGENTS, body).await;
        assert_eq!(answer.failure(), "400 VALIDATION_ERROR", "{body}");
        assert_eq!(answer.fields(), *fields, "{body}");
        assert_eq!(answer.json.as_object().unwrap().len(), 4, "{answer:?}");
    }
    for (method, path, body, fields) in [
        ("PATCH", agent.path(), json!({}), vec!["body"]),
        (
            "PATCH",
            agent.path(),
            json!({"version": 1, "status": "decommissioned", "x": 1}),
            vec!["status", "version", "x"],
        ),
        ("POST", agent.credentials(), json!({"expiresAt": "2020-01-01T00:00:00Z"}), vec!["expiresAt"]),
        ("POST", agent.credentials(), json!({"expiresAt": 4_102_444_800_u64}), vec!["expiresAt"]),
        ("POST", agent.credentials(), json!({"expiresAt": null, "graceSeconds": 1}), vec!["expiresAt", "graceSeconds"]),
        (
            "POST",
            format!("{}/rotate", agent.credential()),
            json!({"expiresAt": "tomorrow", "graceSeconds": 86_401, "voidTokens": "true"}),
            vec!["expiresAt", "graceSeconds", "voidTokens"],
        ),
        ("POST", format!("{}/rotate", agent.credential()), json!({"graceSeconds": -1}), vec!["graceSeconds"]),
        ("POST", format!("{}/rotate", agent.credential()), json!({"graceSeconds": 1.5}), vec!["graceSeconds"]),
        (
            "POST",
            format!("{}/rotate", agent.credential()),
            json!({"graceSeconds": "60", "voidTokens": 1}),
            vec!["graceSeconds", "voidTokens"],
        ),
        (
            "GET",
            format!("{AGENTS}?limit=0&status=ended&agentType=x&deploymentEnv=&q=&cursor=x&owner="),
            Value::Null,
            vec!["agentType", "cursor", "deploymentEnv", "limit", "owner", "q", "status"],
        ),
        ("GET", format!("{AGENTS}?limit=101"), Value::Null, vec!["limit"]),
        ("GET", format!("{AGENTS}?limit=1&limit=2"), Value::Null, vec!["limit"]),
        (
            "GET",
            "/api/v1/audit?agentId=x&action=x&outcome=x&from=x&to=x&limit=-1".to_owned(),
            Value::Null,
            vec!["action", "agentId", "from", "limit", "outcome", "to"],
        ),
        ("GET", format!("{}?status=x&limit=a", agent.credentials()), Value::Null, vec!["limit", "status"]),
    ] {
        let answer = app.ask(&token, method, &path, &body).await;
        assert_eq!(
            (answer.failure(), answer.fields()),
            ("400 VALIDATION_ERROR".into(), fields.into_iter().map(str::to_owned).collect()),
            "{path} {body}"
        );
    }
    assert_eq!(app.everything().await, before);
    // The bounds themselves are within.
    let widest = with("capabilities", many(64));
    let mut widest = widest.as_object().unwrap().clone();
    widest.insert("owner".to_owned(), json!("\u{1f98a}".repeat(128)));
    assert_eq!(app.ask(&token, "POST", AGENTS, &Value::Object(widest)).await.status, 201);
}

#[tokio::test]
async fn bodies_are_one_json_object_and_nothing_else() {
    let app = TestApp::start(Database::Sqlite).await;
    let token = app.admin_token().await;
    let good = new_agent("team-a", &["data:read"]).to_string();
    let open = good.trim_end_matches('}');
    let deep = format!("{open},\"x\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let before = app.everything().await;
    let bodies: Vec<Vec<u8>> = [
        "null",
        "1",
        "\"x\"",
        "[]",
        "[{}]",
        "true",
        "{",
        "}",
        "{]",
        "x",
        "\u{feff}{}",
        " ",
        "\0",
        "{} {}",
        "{},",
        "{\"a\":1,}",
        "{'a':1}",
        "{\"a\":NaN}",
        "{\"a\":1e400}",
        "{\"a\":\"\\ud800\"}",
        "/**/{}",
        "a=b",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([
        format!("{good}x").into_bytes(),
        format!("{good}{good}").into_bytes(),
        format!("{open},\"owner\":\"team-a\"}}").into_bytes(),
        format!("{open},\"own\\u0065r\":\"team-b\"}}").into_bytes(),
        format!("{open},\"x\":{{\"a\":1,\"a\":1}}}}").into_bytes(),
        format!("{open},\"x\":[{{\"a\":[{{\"b\":1,\"b\":2}}]}}]}}").into_bytes(),
        deep.into_bytes(),
        [good.as_bytes(), b"\xff"].concat(),
        good.replace("custom", "cust\u{1}om").into_bytes(),
        [b"{\"email\":\"\xff\"}".as_slice()].concat(),
    ])
    .collect();
    for body in bodies {
        let what = String::from_utf8_lossy(&body).chars().rev().take(40).collect::<String>();
        let answer = app.call("POST", AGENTS).bearer(&token).body(JSON, body).send().await;
        assert_eq!(
            (answer.failure(), answer.fields()),
            ("400 VALIDATION_ERROR".into(), vec!["body".to_owned()]),
            "{what}"
        );
        assert!(answer.text.len() < 300, "{what}: nothing of the body comes back: {answer:?}");
    }
    // Media types.
    let mut types = vec![
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json-patch+json",
        "application/merge-patch+json",
        "*/*",
        "json",
        "application/json; charset=utf-16",
        "application/json; charset=iso-8859-1",
        "application/jsonx",
        "multipart/form-data; boundary=x",
        "application/json, text/plain",
    ];
    for kind in types.drain(..) {
        let answer = app.call("POST", AGENTS).bearer(&token).body(kind, good.clone()).send().await;
        assert_eq!(answer.failure(), "415 UNSUPPORTED_MEDIA_TYPE", "{kind}");
    }
    let twice = app.call("POST", AGENTS).bearer(&token).body(JSON, good.clone()).header("Content-Type", JSON);
    assert_eq!(twice.send().await.failure(), "415 UNSUPPORTED_MEDIA_TYPE");
    let bearer = format!("Authorization: Bearer {token}");
    let missing = app.raw(&format!("POST {AGENTS} HTTP/1.1"), &[&bearer], &good).await;
    assert_eq!(missing.failure(), "415 UNSUPPORTED_MEDIA_TYPE");
    assert_eq!(app.everything().await, before);
    for kind in [
        "APPLICATION/JSON",
        "application/json;charset=UTF-8",
        "application/json; charset=\"utf-8\"",
        "application/json; x=y",
    ] {
        let body = new_agent("team-a", &["data:read"]).to_string();
        assert_eq!(app.call("POST", AGENTS).bearer(&token).body(kind, body).send().await.status, 201, "{kind}");
    }
}

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
    assert_eq!(app.raw("GET /health/live HTTP/1.1", &[&headers], "").await.status, 431);
    let many: Vec<String> = (0..80).map(|index| format!("X-{index}: a")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(app.raw("GET /health/live HTTP/1.1", &many, "").await.status, 431);
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
        ("/.well-known/jwks.json".to_owned(), "GET, HEAD", "POST PUT DELETE"),
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
        (get("/.well-known/jwks.json"), vec![], "", 200),
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
        let keys = line.contains("jwks") && status == 200;
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
