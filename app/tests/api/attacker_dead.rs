//! Identities that were ended, in every way, against every door: dead at once where the contract says so, and alive
//! where it says that.

use crate::support::{Client, TestApp, UNKNOWN};
use agentidp::wiring::system_time;
use serde_json::{Value, json};
use std::time::Duration;

crate::on_both!(
    ended_identities_are_dead_at_every_door,
    a_credential_that_expires_takes_its_tokens_along,
    legacy_secrets_end_like_all_others,
);

const CAPABILITIES: [&str; 4] = ["agents:read", "data:read", "data:write", "tokens:read"];

/// What still works of a secret and of a token that were good before.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Alive {
    secret: bool,
    token: bool,
}

const fn alive(secret: bool, token: bool) -> Alive {
    Alive { secret, token }
}

/// Tries the secret and the token at every door. A door answers the same whatever the cause.
async fn try_doors(app: &TestApp, client: &Client, token: &str, expected: Alive, what: &str) {
    let dead = |alive: bool, status: u16, failure: &str| if alive { format!("{status} -") } else { failure.to_owned() };
    let by_secret = dead(expected.secret, 200, "401 invalid_client");
    assert_eq!(app.token_answer(client, &[]).await.failure(), by_secret, "{what}: Basic");
    assert_eq!(app.token_by_body(client).await.failure(), by_secret, "{what}: body");
    let introspect = |path: &str| app.call("POST", &format!("/api/v1/token/{path}")).form(&[("token", token)]);
    let asked = introspect("introspect").basic(&client.id, &client.secret).send().await;
    assert_eq!(asked.failure(), by_secret, "{what}: introspection by Basic");
    if expected.secret {
        assert_eq!(asked.json["active"], json!(expected.token), "{what}: introspection by Basic");
    }
    let seen = introspect("introspect").basic(&app.admin.id, &app.admin.secret).send().await;
    assert_eq!(seen.json["active"], json!(expected.token), "{what}: as others see it");
    if !expected.token {
        assert_eq!(seen.json, json!({"active": false}), "{what}");
    }
    let by_token = dead(expected.token, 200, "401 invalid_token");
    let asked = introspect("introspect").bearer(token).send().await;
    assert_eq!(asked.failure(), by_token, "{what}: introspection by Bearer");
    let revoke = app.call("POST", "/api/v1/token/revoke").bearer(token).form(&[("token", "no token")]).send().await;
    assert_eq!(revoke.failure(), by_token, "{what}: revocation by Bearer");
    let revoke = app.call("POST", "/api/v1/token/revoke").basic(&client.id, &client.secret).form(&[("token", "x")]);
    assert_eq!(revoke.send().await.failure(), by_secret, "{what}: revocation by Basic");
    let by_token = dead(expected.token, 200, "401 UNAUTHORIZED");
    for (method, path) in [("GET", "/api/v1/agents"), ("HEAD", "/api/v1/agents"), ("GET", &client.path())] {
        let answer = app.ask(token, method, path, &Value::Null).await;
        let failure = if method == "HEAD" { dead(expected.token, 200, "401 -") } else { by_token.clone() };
        assert_eq!(answer.failure(), failure, "{what}: {method} {path}");
        let challenge = if expected.token { "" } else { r#"Bearer realm="agentidp", error="invalid_token""# };
        assert_eq!(answer.header("www-authenticate"), challenge, "{what}: {method} {path}");
    }
}

/// A cause: the requests of the administrator (`AGENT`, `CREDENTIAL`), and what lives on after them.
type Cause = (&'static str, Vec<(&'static str, &'static str, Value)>, Alive);

fn causes() -> Vec<Cause> {
    let suspended = || ("PATCH", "AGENT", json!({"status": "suspended"}));
    let reactivated = || ("PATCH", "AGENT", json!({"status": "active"}));
    let rotated = |body: Value| ("POST", "CREDENTIAL/rotate", body);
    let patched = |body: Value| vec![("PATCH", "AGENT", body)];
    vec![
        ("nothing", vec![], alive(true, true)),
        ("suspended", vec![suspended()], alive(false, false)),
        ("reactivated", vec![suspended(), reactivated()], alive(true, false)),
        ("decommissioned", vec![("DELETE", "AGENT", Value::Null)], alive(false, false)),
        ("credential revoked", vec![("DELETE", "CREDENTIAL", Value::Null)], alive(false, false)),
        ("rotated", vec![rotated(json!({}))], alive(false, true)),
        ("rotated with grace", vec![rotated(json!({"graceSeconds": 60}))], alive(true, true)),
        ("rotated twice with grace", vec![rotated(json!({"graceSeconds": 60})); 2], alive(true, true)),
        ("grace ended", vec![rotated(json!({"graceSeconds": 60})), rotated(json!({}))], alive(false, true)),
        ("leaked", vec![rotated(json!({"voidTokens": true}))], alive(false, false)),
        ("voided with grace", vec![rotated(json!({"voidTokens": true, "graceSeconds": 60}))], alive(true, false)),
        (
            "one capability less",
            patched(json!({"capabilities": ["agents:read", "tokens:read", "data:read"]})),
            alive(true, false),
        ),
        (
            "one exchanged",
            patched(json!({"capabilities": ["agents:read", "tokens:read", "data:read", "x:y"]})),
            alive(true, false),
        ),
        (
            "one more",
            patched(json!({"capabilities": ["agents:read", "data:read", "data:write", "tokens:read", "x:y"]})),
            alive(true, true),
        ),
        (
            "one covered by a wildcard",
            patched(json!({"capabilities": ["agents:*", "data:*", "tokens:*"]})),
            alive(true, true),
        ),
        ("moved", patched(json!({"owner": "team-b"})), alive(true, false)),
        (
            "moved there and back",
            vec![("PATCH", "AGENT", json!({"owner": "team-b"})), ("PATCH", "AGENT", json!({"owner": "team-a"}))],
            alive(true, false),
        ),
        (
            "another version",
            patched(json!({"version": "2.0.0", "agentType": "router", "deploymentEnv": "staging"})),
            alive(true, true),
        ),
    ]
}

async fn ended_identities_are_dead_at_every_door(app: TestApp) {
    let replica = app.replica().await;
    for (what, requests, expected) in causes() {
        let client = app.client("team-a", &CAPABILITIES).await;
        // Another credential of the same agent dies with the agent only.
        let second = app.credential(&client.id).await;
        let token = app.token(&client, None).await;
        let admin = app.admin_token().await;
        try_doors(&app, &client, &token, alive(true, true), "before").await;
        assert_eq!(replica.token_answer(&client, &[]).await.status, 200);
        for (method, path, body) in requests {
            let path = path.replace("AGENT", &client.path()).replace("CREDENTIAL", &client.credential());
            let answer = app.ask(&admin, method, &path, &body).await;
            assert!(matches!(answer.status, 200 | 204), "{what}: {answer:?}");
        }
        try_doors(&app, &client, &token, expected, what).await;
        let others = !matches!(what, "suspended" | "decommissioned");
        assert_eq!(app.token_answer(&second, &[]).await.status, if others { 200 } else { 401 }, "{what}: the second");
        if expected.secret {
            let fresh = app.token(&client, None).await;
            let seen = app.call("POST", "/api/v1/token/introspect").bearer(&fresh).form(&[("token", &fresh)]);
            assert_eq!(seen.send().await.json["active"], true, "{what}: a fresh token");
        }
        // Within a second on another replica.
        for round in 0.. {
            let status = replica.token_answer(&client, &[]).await.status;
            if status == if expected.secret { 200 } else { 401 } {
                break;
            }
            assert!(round < 10, "{what}: the other replica still says {status}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn a_credential_that_expires_takes_its_tokens_along(app: TestApp) {
    let agent = app.client("team-a", &CAPABILITIES).await;
    let admin = app.admin_token().await;
    let graced = app.client("team-a", &CAPABILITIES).await;
    let lasting = app.token(&graced, None).await;
    let rotation = format!("{}/rotate", graced.credential());
    assert_eq!(app.ask(&admin, "POST", &rotation, &json!({"graceSeconds": 1})).await.status, 200);
    let end = system_time().after(Duration::from_millis(3_000));
    let body = json!({"expiresAt": end.to_string()});
    let made = app.ask(&admin, "POST", &agent.credentials(), &body).await;
    let text = |name: &str| made.json[name].as_str().unwrap().to_owned();
    let client = Client { secret: text("clientSecret"), credential_id: Some(text("credentialId")), ..agent.clone() };
    let issued = app.token_answer(&client, &[]).await;
    assert!((1..=3).contains(&issued.json["expires_in"].as_i64().unwrap()), "{issued:?}");
    let token = issued.json["access_token"].as_str().unwrap();
    assert_eq!(app.ask(token, "GET", &client.path(), &Value::Null).await.status, 200);
    tokio::time::sleep(end.after(Duration::from_millis(50)).since(system_time())).await;
    try_doors(&app, &client, token, alive(false, false), "expired").await;
    try_doors(&app, &graced, &lasting, alive(false, true), "the grace is over").await;
    assert_eq!(app.token_answer(&agent, &[]).await.status, 200, "the other credential goes on");
    // An expired credential is rotated with a new expiry only; its old tokens stay dead.
    let path = format!("{}/rotate", client.credential());
    let refused = app.ask(&admin, "POST", &path, &json!({})).await;
    assert_eq!((refused.failure(), refused.fields()), ("400 VALIDATION_ERROR".into(), vec!["expiresAt".into()]));
    let later = json!({"expiresAt": system_time().after(Duration::from_secs(600)).to_string()});
    let rotated = app.ask(&admin, "POST", &path, &later).await;
    assert_eq!(rotated.status, 200, "{rotated:?}");
    try_doors(&app, &client, token, alive(false, false), "expired and rotated").await;
}

async fn legacy_secrets_end_like_all_others(app: TestApp) {
    // A published vector of bcrypt: the secret is `U*U`.
    const HASH: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let agent = app.client("team-a", &CAPABILITIES).await;
    let suspended = app.client("team-a", &CAPABILITIES).await;
    app.import(&agent.id, HASH).await;
    app.import(&suspended.id, HASH).await;
    // What starts now knows that there are such secrets.
    let replica = app.replica().await;
    let legacy = |id: &str, secret: &str| Client { id: id.to_owned(), secret: secret.to_owned(), credential_id: None };
    let token = replica.token(&legacy(&agent.id, "U*U"), None).await;
    let admin = replica.admin_token().await;
    let body = json!({"status": "suspended"});
    assert_eq!(replica.ask(&admin, "PATCH", &suspended.path(), &body).await.status, 200);
    let listed = replica.ask(&admin, "GET", &agent.credentials(), &Value::Null).await;
    let listed = listed.json["data"].as_array().unwrap().clone();
    let credential = listed.iter().find(|credential| credential["backend"] == "bcrypt").unwrap();
    let path = format!("{}/{}", agent.credentials(), credential["credentialId"].as_str().unwrap());

    let wrong = replica.token_answer(&legacy(&agent.id, "U*V"), &[]).await;
    assert_eq!(wrong.failure(), "401 invalid_client");
    let long = "U*U".repeat(40);
    for (what, id, secret) in [
        ("suspended", &suspended.id, "U*U"),
        ("unknown", &UNKNOWN.to_owned(), "U*U"),
        ("NUL", &agent.id, "U*U%00"),
        ("too long", &agent.id, &long),
        ("the hash", &agent.id, HASH),
        ("another agent's new secret", &agent.id, &suspended.secret),
    ] {
        assert_eq!(replica.token_answer(&legacy(id, secret), &[]).await.seen(), wrong.seen(), "{what}");
    }
    assert_eq!(replica.ask(&token, "GET", &agent.path(), &Value::Null).await.status, 200);
    assert_eq!(replica.ask(&admin, "DELETE", &path, &Value::Null).await.status, 204);
    assert_eq!(replica.token_answer(&legacy(&agent.id, "U*U"), &[]).await.seen(), wrong.seen(), "revoked");
    assert_eq!(replica.ask(&token, "GET", &agent.path(), &Value::Null).await.failure(), "401 UNAUTHORIZED");
    assert_eq!(replica.token_answer(&agent, &[]).await.status, 200, "the other credential goes on");
}
