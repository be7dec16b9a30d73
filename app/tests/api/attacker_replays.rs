//! Idempotency keys: each caller's own, bound to one request, and never a way around authentication and policy.

use crate::support::{Answer, Client, TestApp, UNKNOWN, agent_path, new_agent};
use serde_json::{Value, json};

crate::on_both!(
    a_key_stands_for_one_request_of_one_caller,
    a_replay_is_authenticated_and_decided_again,
    refusals_are_not_kept,
    a_secret_is_not_shown_twice,
    keys_are_visible_ascii,
);

const AGENTS: &str = "/api/v1/agents";

async fn keyed(app: &TestApp, token: &str, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    app.asking(token, method, path, body).header("Idempotency-Key", key).send().await
}

fn is_replay(answer: &Answer) -> bool {
    match answer.header("idempotency-replayed") {
        "" => false,
        text => text == "true",
    }
}

async fn managers(app: &TestApp) -> (Client, Client) {
    let capabilities = ["agents:read", "agents:write", "data:read"];
    (app.client("team-a", &capabilities).await, app.client("team-a", &capabilities).await)
}

async fn a_key_stands_for_one_request_of_one_caller(app: TestApp) {
    let (first, second) = managers(&app).await;
    let (one, two) = (app.token(&first, None).await, app.token(&second, None).await);
    let agent = new_agent("team-a", &["data:read"]);
    let made = keyed(&app, &one, "k", "POST", AGENTS, &agent).await;
    assert_eq!((made.status, is_replay(&made)), (201, false), "{made:?}");
    let again = keyed(&app, &one, "k", "POST", AGENTS, &agent).await;
    assert_eq!((again.status, is_replay(&again), &again.text), (201, true, &made.text));
    assert_eq!(again.header("location"), agent_path(made.json["agentId"].as_str().unwrap()));
    // The same caller by another token of its own.
    let other = app.token(&first, Some("agents:write")).await;
    assert!(is_replay(&keyed(&app, &other, "k", "POST", AGENTS, &agent).await));

    // Nothing else goes under the key.
    let path = agent_path(made.json["agentId"].as_str().unwrap());
    let spaced = format!("{} ", agent);
    let call = app.call("POST", AGENTS).bearer(&one).header("Idempotency-Key", "k");
    let call = call.body("application/json", spaced).send().await;
    assert_eq!(call.failure(), "422 IDEMPOTENCY_CONFLICT", "another body, byte for byte");
    let before = app.everything().await;
    for (method, path, body) in [
        ("POST", AGENTS, new_agent("team-a", &["data:read"])),
        ("PATCH", &path, json!({"version": "2.0.0"})),
        ("DELETE", &path, Value::Null),
        ("POST", &format!("{path}/credentials"), Value::Null),
        ("POST", &format!("{}/rotate", first.credential()), Value::Null),
        ("DELETE", &first.credential(), Value::Null),
    ] {
        let answer = keyed(&app, &one, "k", method, path, &body).await;
        assert_eq!(
            (answer.failure(), is_replay(&answer)),
            ("422 IDEMPOTENCY_CONFLICT".into(), false),
            "{method} {path}"
        );
    }
    assert_eq!(app.everything().await, before);

    // The same operation and body at another path.
    let patch = json!({"version": "3.0.0"});
    assert_eq!(keyed(&app, &one, "p", "PATCH", &path, &patch).await.status, 200);
    let elsewhere = keyed(&app, &one, "p", "PATCH", &first.path(), &patch).await;
    assert_eq!(elsewhere.failure(), "422 IDEMPOTENCY_CONFLICT");
    // Cases differ, and reads take no key.
    assert_eq!(keyed(&app, &one, "P", "PATCH", &path, &json!({"version": "4.0.0"})).await.status, 200);
    let read = keyed(&app, &one, "k", "GET", &path, &Value::Null).await;
    assert_eq!((read.status, &read.json["version"]), (200, &json!("4.0.0")));

    // Another caller's key is its own: the same bytes are a first request.
    let conflict = keyed(&app, &two, "k", "POST", AGENTS, &agent).await;
    assert_eq!((conflict.failure(), is_replay(&conflict)), ("409 AGENT_ALREADY_EXISTS".into(), false));
    let theirs = keyed(&app, &two, "k", "POST", AGENTS, &new_agent("team-a", &["data:read"])).await;
    assert_eq!((theirs.status, is_replay(&theirs)), (201, false));
    assert!(is_replay(&keyed(&app, &one, "k", "POST", AGENTS, &agent).await));
}

async fn a_replay_is_authenticated_and_decided_again(app: TestApp) {
    let (first, _) = managers(&app).await;
    let token = app.token(&first, None).await;
    let narrowed = app.token(&first, Some("agents:read")).await;
    let agent = new_agent("team-a", &["data:read"]);
    assert_eq!(keyed(&app, &token, "k", "POST", AGENTS, &agent).await.status, 201);
    let anonymous = app.call("POST", AGENTS).json(&agent).header("Idempotency-Key", "k").send().await;
    assert_eq!(anonymous.failure(), "401 UNAUTHORIZED");
    assert_eq!(keyed(&app, "x", "k", "POST", AGENTS, &agent).await.failure(), "401 UNAUTHORIZED");
    assert_eq!(keyed(&app, &narrowed, "k", "POST", AGENTS, &agent).await.failure(), "403 FORBIDDEN");

    // The capability that it handed out is gone, and so is the token.
    let admin = app.admin_token().await;
    let fewer = json!({"capabilities": ["agents:read", "agents:write"]});
    assert_eq!(app.ask(&admin, "PATCH", &first.path(), &fewer).await.status, 200);
    assert_eq!(keyed(&app, &token, "k", "POST", AGENTS, &agent).await.failure(), "401 UNAUTHORIZED");
    let token = app.token(&first, None).await;
    assert_eq!(keyed(&app, &token, "k", "POST", AGENTS, &agent).await.failure(), "403 FORBIDDEN");
    // Moved to another owner: what it made there is no longer its own.
    let back = json!({"capabilities": ["agents:read", "agents:write", "data:read"], "owner": "team-b"});
    assert_eq!(app.ask(&admin, "PATCH", &first.path(), &back).await.status, 200);
    let token = app.token(&first, None).await;
    assert_eq!(keyed(&app, &token, "k", "POST", AGENTS, &agent).await.failure(), "403 FORBIDDEN");
}

async fn refusals_are_not_kept(app: TestApp) {
    let (first, _) = managers(&app).await;
    let peer = app.client("team-a", &["data:read"]).await;
    let foreign = app.client("team-b", &["data:read"]).await;
    let token = app.token(&first, None).await;
    let narrowed = app.token(&first, Some("agents:read")).await;
    let mut agent = new_agent("team-a", &["data:read"]);
    let taken = app.ask(&token, "GET", &peer.path(), &Value::Null).await.json["email"].clone();
    let mut conflicting = agent.clone();
    conflicting["email"] = taken;
    let mut invalid = agent.clone();
    invalid["version"] = json!("x");
    for (token, body, expected) in [
        (&narrowed, &agent, "403 FORBIDDEN"),
        (&token, &new_agent("team-b", &["data:read"]), "403 FORBIDDEN"),
        (&token, &invalid, "400 VALIDATION_ERROR"),
        (&token, &json!([]), "400 VALIDATION_ERROR"),
        (&token, &conflicting, "409 AGENT_ALREADY_EXISTS"),
    ] {
        assert_eq!(keyed(&app, token, "k", "POST", AGENTS, body).await.failure(), expected, "{body}");
    }
    let made = keyed(&app, &token, "k", "POST", AGENTS, &agent).await;
    assert_eq!((made.status, is_replay(&made)), (201, false), "{made:?}");
    agent["version"] = json!("x");
    assert_eq!(keyed(&app, &token, "k", "POST", AGENTS, &agent).await.failure(), "400 VALIDATION_ERROR");

    // The same request, refused at first, is a first request when it may be made.
    let moved = json!({"owner": "team-a"});
    let patch = json!({"version": "2.0.0"});
    let unknown = keyed(&app, &token, "m", "PATCH", &foreign.path(), &patch).await;
    assert_eq!(unknown.failure(), "404 AGENT_NOT_FOUND");
    let admin = app.admin_token().await;
    assert_eq!(app.ask(&admin, "PATCH", &foreign.path(), &moved).await.status, 200);
    let done = keyed(&app, &token, "m", "PATCH", &foreign.path(), &patch).await;
    assert_eq!((done.status, is_replay(&done)), (200, false), "{done:?}");
    let unknown = format!("{}/{UNKNOWN}", peer.credentials());
    assert_eq!(keyed(&app, &token, "n", "DELETE", &unknown, &Value::Null).await.failure(), "404 CREDENTIAL_NOT_FOUND");
    assert_eq!(keyed(&app, &token, "n", "DELETE", &peer.credential(), &Value::Null).await.status, 204);
    let replayed = keyed(&app, &token, "n", "DELETE", &peer.credential(), &Value::Null).await;
    assert_eq!((replayed.status, is_replay(&replayed), replayed.text.as_str()), (204, true, ""));
    let fresh = app.ask(&token, "DELETE", &peer.credential(), &Value::Null).await;
    assert_eq!(fresh.failure(), "409 CREDENTIAL_ALREADY_REVOKED");
}

async fn a_secret_is_not_shown_twice(app: TestApp) {
    let peer = app.client("team-a", &["data:read"]).await;
    let token = app.admin_token().await;
    for (key, path) in [("g", peer.credentials()), ("r", format!("{}/rotate", peer.credential()))] {
        let first = keyed(&app, &token, key, "POST", &path, &json!({})).await;
        let secret = first.json["clientSecret"].as_str().unwrap().to_owned();
        let again = keyed(&app, &token, key, "POST", &path, &json!({})).await;
        assert_eq!((again.status, is_replay(&again), &again.json["clientSecret"]), (first.status, true, &Value::Null));
        assert!(!again.text.contains("aidp_"), "{path}");
        let mut expected = first.json.clone();
        expected["clientSecret"] = Value::Null;
        assert_eq!(again.json, expected);
        let client = Client { secret, ..peer.clone() };
        assert_eq!(app.token_answer(&client, &[]).await.status, 200, "the first secret goes on working");
    }
    let credentials = app.ask(&token, "GET", &peer.credentials(), &Value::Null).await;
    assert_eq!(credentials.json["data"].as_array().unwrap().len(), 2);
    assert!(!credentials.text.contains("aidp_"));
}

async fn keys_are_visible_ascii(app: TestApp) {
    let token = app.admin_token().await;
    let agent = new_agent("team-a", &["data:read"]);
    let before = app.everything().await;
    for key in ["", " ", "a b", "\u{e9}", &"k".repeat(129), "a\tb"] {
        let answer = keyed(&app, &token, key, "POST", AGENTS, &agent).await;
        assert_eq!(
            (answer.failure(), answer.fields()),
            ("400 VALIDATION_ERROR".into(), vec!["Idempotency-Key".into()])
        );
    }
    let twice =
        app.asking(&token, "POST", AGENTS, &agent).header("Idempotency-Key", "a").header("Idempotency-Key", "b");
    assert_eq!(twice.send().await.fields(), ["Idempotency-Key"]);
    assert_eq!(app.everything().await, before);
    assert_eq!(keyed(&app, &token, &"~".repeat(128), "POST", AGENTS, &agent).await.status, 201);
}
