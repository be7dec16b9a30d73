//! An agent that tries to get more than it has: scopes, capabilities, owners, and the end of those above it.

use crate::support::{Client, TestApp, new_agent};
use serde_json::{Value, json};

crate::on_both!(
    a_narrowed_token_hands_out_nothing_and_disarms_nobody,
    a_full_token_hands_out_no_more_than_its_agent_has,
    an_agent_may_always_revoke_its_own_credential,
    fields_of_the_server_cannot_be_set,
    writing_back_what_is_there_changes_nothing,
);

/// The agents of one owner.
struct Team {
    /// Reads and writes agents.
    manager: Client,
    /// Can read agents.
    reader: Client,
    /// Has admin:all.
    strong: Client,
    /// Has a capability that the manager has not.
    mailer: Client,
    /// Has nothing that the manager has not.
    peer: Client,
}

impl Team {
    async fn new(app: &TestApp) -> Self {
        let client = async |capabilities: &[&str]| app.client("team-a", capabilities).await;
        Self {
            manager: client(&["agents:read", "agents:write", "data:read"]).await,
            reader: client(&["agents:read"]).await,
            strong: client(&["admin:all"]).await,
            mailer: client(&["mail:send"]).await,
            peer: client(&["data:read"]).await,
        }
    }
}

type Case = (&'static str, String, Value, &'static str, &'static [&'static str]);

/// Each case is refused by the rule named, with these missing scopes, and leaves everything as it was.
async fn all_refused(app: &TestApp, token: &str, cases: &[Case]) {
    let before = app.everything().await;
    for (method, path, body, rule, missing) in cases {
        let what = format!("{method} {path} {body}");
        let answer = app.ask(token, method, path, body).await;
        assert_eq!(answer.failure(), "403 FORBIDDEN", "{what}: {answer:?}");
        assert_eq!(answer.fields(), Vec::<String>::new(), "{what}");
        let named = answer.json["details"]["missingScopes"].clone();
        assert_eq!(named, if missing.is_empty() { Value::Null } else { json!(missing) }, "{what}: {answer:?}");
        let challenge =
            format!(r#"Bearer realm="agentidp", error="insufficient_scope", scope="{}""#, missing.join(" "));
        let expected = if missing.is_empty() { "" } else { challenge.as_str() };
        assert_eq!(answer.header("www-authenticate"), expected, "{what}");
        let event = app.audit("action=authz.denied&limit=1").await.remove(0);
        assert_eq!((&event["reason"], &event["outcome"]), (&json!(rule), &json!("failure")), "{what}: {event}");
        assert_eq!(event["requestId"], answer.json["requestId"], "{what}");
    }
    assert_eq!(app.everything().await, before);
}

async fn a_narrowed_token_hands_out_nothing_and_disarms_nobody(app: TestApp) {
    let Team { manager, reader, strong, mailer, peer } = Team::new(&app).await;
    let token = app.token(&manager, Some("agents:write")).await;
    let rotation = |client: &Client| format!("{}/rotate", client.credential());
    let body = || json!({});
    let mut cases: Vec<Case> = vec![
        // No secret that can read, nor one that can do what the agent cannot.
        ("POST", reader.credentials(), body(), "beyond_token", &["agents:read"]),
        ("POST", manager.credentials(), body(), "beyond_token", &["agents:read"]),
        ("POST", strong.credentials(), body(), "beyond_capabilities", &[]),
        ("POST", mailer.credentials(), body(), "beyond_capabilities", &[]),
        ("POST", rotation(&reader), body(), "beyond_token", &["agents:read"]),
        ("POST", rotation(&manager), body(), "beyond_token", &["agents:read"]),
        ("POST", rotation(&manager), json!({"graceSeconds": 60}), "beyond_token", &["agents:read"]),
        ("POST", rotation(&strong), body(), "beyond_capabilities", &[]),
        ("POST", rotation(&mailer), body(), "beyond_capabilities", &[]),
        // Nobody above it is disarmed; the agent itself, with all it has, is above its narrowed token.
        ("PATCH", strong.path(), json!({"status": "suspended"}), "stronger_agent", &["admin:all"]),
        ("PATCH", strong.path(), json!({"capabilities": ["data:read"]}), "stronger_agent", &["admin:all"]),
        ("PATCH", strong.path(), json!({"version": "2.0.0"}), "stronger_agent", &["admin:all"]),
        ("DELETE", strong.path(), Value::Null, "stronger_agent", &["admin:all"]),
        ("DELETE", strong.credential(), Value::Null, "stronger_agent", &["admin:all"]),
        ("PATCH", reader.path(), json!({"status": "suspended"}), "stronger_agent", &["agents:read"]),
        ("DELETE", reader.path(), Value::Null, "stronger_agent", &["agents:read"]),
        ("DELETE", reader.credential(), Value::Null, "stronger_agent", &["agents:read"]),
        ("PATCH", manager.path(), json!({"status": "suspended"}), "stronger_agent", &["agents:read"]),
        ("DELETE", manager.path(), Value::Null, "stronger_agent", &["agents:read"]),
    ];
    for capability in ["mail:send", "data:*", "agents:*", "admin:*", "admin:all", "audit:read", "tokens:*"] {
        let wanted = json!({"capabilities": ["data:read", capability]});
        cases.push(("PATCH", peer.path(), wanted, "beyond_capabilities", &[]));
        let agent = new_agent("team-a", &["data:read", capability]);
        cases.push(("POST", "/api/v1/agents".to_owned(), agent, "beyond_capabilities", &[]));
        let own = json!({"capabilities": ["agents:read", "agents:write", "data:read", capability]});
        cases.push(("PATCH", manager.path(), own, "stronger_agent", &["agents:read"]));
    }
    let wanted = json!({"capabilities": ["data:read", "agents:read"]});
    cases.push(("PATCH", peer.path(), wanted, "beyond_token", &["agents:read"]));
    let agent = new_agent("team-a", &["agents:read"]);
    cases.push(("POST", "/api/v1/agents".to_owned(), agent, "beyond_token", &["agents:read"]));
    for owner in ["team-b", "system", "Team-A", "team-a2"] {
        cases.push(("PATCH", peer.path(), json!({"owner": owner}), "owner_stays", &[]));
        cases.push(("PATCH", manager.path(), json!({"owner": owner}), "owner_stays", &[]));
        let agent = new_agent(owner, &["data:read"]);
        cases.push(("POST", "/api/v1/agents".to_owned(), agent, "owner_stays", &[]));
    }
    all_refused(&app, &token, &cases).await;

    // What is within its reach works, so the refusals above have no other cause.
    for (method, path, body, status) in [
        ("POST", "/api/v1/agents".to_owned(), new_agent("team-a", &["data:read"]), 201),
        ("PATCH", peer.path(), json!({"version": "2.0.0", "owner": "team-a"}), 200),
        ("POST", peer.credentials(), body(), 201),
        ("POST", rotation(&peer), body(), 200),
        ("DELETE", peer.credential(), Value::Null, 204),
        ("PATCH", mailer.path(), json!({"status": "suspended"}), 200),
        ("DELETE", peer.path(), Value::Null, 204),
    ] {
        let answer = app.ask(&token, method, &path, &body).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    }
}

async fn a_full_token_hands_out_no_more_than_its_agent_has(app: TestApp) {
    let Team { manager, reader, strong, mailer, peer } = Team::new(&app).await;
    let token = app.token(&manager, None).await;
    let agents = || "/api/v1/agents".to_owned();
    let own = |capability: &str| json!({"capabilities": ["agents:read", "agents:write", "data:read", capability]});
    let mut cases: Vec<Case> = vec![
        ("POST", strong.credentials(), Value::Null, "beyond_capabilities", &[]),
        ("POST", mailer.credentials(), Value::Null, "beyond_capabilities", &[]),
        ("PATCH", strong.path(), json!({"status": "suspended"}), "stronger_agent", &["admin:all"]),
        ("DELETE", strong.path(), Value::Null, "stronger_agent", &["admin:all"]),
        ("DELETE", strong.credential(), Value::Null, "stronger_agent", &["admin:all"]),
        ("PATCH", manager.path(), json!({"owner": "team-b"}), "owner_stays", &[]),
        ("PATCH", reader.path(), json!({"owner": "team-b"}), "owner_stays", &[]),
        ("POST", agents(), new_agent("system", &["data:read"]), "owner_stays", &[]),
    ];
    for capability in ["mail:send", "data:*", "agents:*", "admin:*", "admin:all", "audit:read", "tokens:write"] {
        cases.push(("POST", agents(), new_agent("team-a", &[capability]), "beyond_capabilities", &[]));
        cases.push(("PATCH", manager.path(), own(capability), "beyond_capabilities", &[]));
        let wanted = json!({"capabilities": [capability]});
        cases.push(("PATCH", peer.path(), wanted, "beyond_capabilities", &[]));
    }
    all_refused(&app, &token, &cases).await;

    for (method, path, body, status) in [
        ("POST", reader.credentials(), Value::Null, 201),
        ("POST", manager.credentials(), Value::Null, 201),
        ("POST", agents(), new_agent("team-a", &["agents:read", "agents:write", "data:read"]), 201),
        ("PATCH", peer.path(), json!({"capabilities": ["agents:write"]}), 200),
    ] {
        let answer = app.ask(&token, method, &path, &body).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    }
}

async fn an_agent_may_always_revoke_its_own_credential(app: TestApp) {
    let manager = app.client("team-a", &["agents:write", "agents:read", "audit:read"]).await;
    let second = app.credential(&manager.id).await;
    let token = app.token(&manager, Some("agents:write")).await;
    let answer = app.ask(&token, "DELETE", &second.credential(), &Value::Null).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(app.token_answer(&second, &[]).await.failure(), "401 invalid_client");
    let again = app.ask(&token, "DELETE", &second.credential(), &Value::Null).await;
    assert_eq!(again.failure(), "409 CREDENTIAL_ALREADY_REVOKED");
    // Even the one that its token hangs on.
    assert_eq!(app.ask(&token, "DELETE", &manager.credential(), &Value::Null).await.status, 204);
    let dead = app.ask(&token, "DELETE", &manager.credential(), &Value::Null).await;
    assert_eq!(dead.failure(), "401 UNAUTHORIZED");

    let without = app.client("team-a", &["data:read"]).await;
    let token = app.token(&without, None).await;
    let refused = app.ask(&token, "DELETE", &without.credential(), &Value::Null).await;
    assert_eq!(refused.failure(), "403 FORBIDDEN");
    assert_eq!(app.token_answer(&without, &[]).await.status, 200);
}

async fn fields_of_the_server_cannot_be_set(app: TestApp) {
    let victim = app.client("team-a", &["data:read"]).await;
    let token = app.admin_token().await;
    let before = app.everything().await;
    let foreign = [
        ("agentId", json!("0198c0de-0000-7000-8000-0000000000ff")),
        ("createdAt", json!("2020-01-01T00:00:00.000Z")),
        ("updatedAt", json!("2020-01-01T00:00:00.000Z")),
        ("generation", json!(0)),
        ("revision", json!(0)),
        ("id", json!(1)),
        ("emailKey", json!("x@example.com")),
        ("__proto__", json!({})),
        ("AGENTTYPE", json!("custom")),
        ("agent_type", json!("custom")),
    ];
    for (name, value) in &foreign {
        for body in [json!({*name: value}), json!({"version": "9.9.9", "status": "suspended", *name: value})] {
            let answer = app.ask(&token, "PATCH", &victim.path(), &body).await;
            assert_eq!((answer.failure(), answer.fields()), ("400 VALIDATION_ERROR".into(), vec![(*name).into()]));
        }
        let mut agent = new_agent("team-a", &["data:read"]);
        agent[*name] = value.clone();
        let answer = app.ask(&token, "POST", "/api/v1/agents", &agent).await;
        assert_eq!((answer.failure(), answer.fields()), ("400 VALIDATION_ERROR".into(), vec![(*name).into()]));
    }
    for (name, value) in [
        ("email", json!("other@example.com")),
        ("status", json!("decommissioned")),
        ("status", json!("ACTIVE")),
        ("status", Value::Null),
        ("owner", Value::Null),
        ("owner", json!(["team-a"])),
        ("capabilities", Value::Null),
        ("capabilities", json!([])),
        ("capabilities", json!({"0": "data:read"})),
    ] {
        let answer = app.ask(&token, "PATCH", &victim.path(), &json!({name: value})).await;
        assert_eq!((answer.failure(), answer.fields()), ("400 VALIDATION_ERROR".into(), vec![name.into()]), "{value}");
    }
    let mut agent = new_agent("team-a", &["data:read"]);
    agent["status"] = json!("active");
    assert_eq!(app.ask(&token, "POST", "/api/v1/agents", &agent).await.fields(), ["status"]);
    for name in ["clientSecret", "credentialId", "clientId", "status", "backend", "revokedAt", "graceUntil", "secret"] {
        for path in [victim.credentials(), format!("{}/rotate", victim.credential())] {
            let answer = app.ask(&token, "POST", &path, &json!({name: "x"})).await;
            assert_eq!((answer.failure(), answer.fields()), ("400 VALIDATION_ERROR".into(), vec![name.into()]));
        }
    }
    assert_eq!(app.everything().await, before);
    assert_eq!(app.token_answer(&victim, &[]).await.status, 200);
}

async fn writing_back_what_is_there_changes_nothing(app: TestApp) {
    let victim = app.client("team-a", &["data:read", "tokens:read"]).await;
    let old = app.token(&victim, None).await;
    let admin = app.admin_token().await;
    let before = app.ask(&admin, "GET", &victim.path(), &Value::Null).await.json;
    let mut body = json!({});
    for name in ["agentType", "version", "capabilities", "owner", "deploymentEnv", "status"] {
        body[name] = before[name].clone();
    }
    let mut after = app.ask(&admin, "PATCH", &victim.path(), &body).await.json;
    after["updatedAt"] = before["updatedAt"].clone();
    assert_eq!(after, before);
    let live = app.call("POST", "/api/v1/token/introspect").bearer(&old).form(&[("token", &old)]).send().await;
    assert_eq!(live.json["active"], true, "{live:?}");
}
