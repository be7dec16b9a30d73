//! JSON bodies and query parameters that are wrong: every mistake is named at once, and nothing is quoted.

use crate::support::{Database, TestApp, new_agent};
use serde_json::{Value, json};

const JSON: &str = "application/json";
const AGENTS: &str = "/api/v1/agents";

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
