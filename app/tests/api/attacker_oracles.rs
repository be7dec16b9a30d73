//! What an owner can learn of another owner's agents: nothing, not even that they exist.

use crate::support::{Answer, Client, TestApp, UNKNOWN, agent_path, base64, new_agent};
use serde_json::{Value, json};

crate::on_both!(
    foreign_and_unknown_ids_answer_alike,
    foreign_credential_ids_answer_like_unknown_ones,
    denied_calls_leave_events_that_tell_nothing,
    addresses_are_unique_within_the_owner_only,
    cursors_and_filters_stay_within_the_owner,
    the_audit_log_shows_an_owner_its_own_events,
);

const EVERYTHING_BUT_ADMIN: [&str; 5] = ["agents:read", "agents:write", "tokens:read", "tokens:write", "audit:read"];

/// The operations on an agent: method, what follows the agent's path (`CRED`: the credential's id), body.
fn operations() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("GET", "", Value::Null),
        ("PATCH", "", json!({"version": "2.0.0"})),
        ("PATCH", "", json!({"owner": "team-b"})),
        ("PATCH", "", json!({"capabilities": ["admin:all"]})),
        ("PATCH", "", json!({"unknown": 1})),
        ("DELETE", "", Value::Null),
        ("GET", "/credentials", Value::Null),
        ("GET", "/credentials?limit=x", Value::Null),
        ("POST", "/credentials", Value::Null),
        ("POST", "/credentials", json!({"expiresAt": "never"})),
        ("POST", "/credentials/CRED/rotate", json!({})),
        ("POST", "/credentials/CRED/rotate", json!({"graceSeconds": -1})),
        ("DELETE", "/credentials/CRED", Value::Null),
    ]
}

/// The answer to each of these ids is the same, byte for byte.
fn all_alike(answers: &[(String, Answer)], expected: &str) {
    let (_, first) = &answers[0];
    assert_eq!(first.failure(), expected, "{first:?}");
    for (what, answer) in answers {
        assert_eq!(answer.seen(), first.seen(), "{what}");
    }
}

async fn foreign_and_unknown_ids_answer_alike(app: TestApp) {
    let victim = app.client("team-a", &["data:read", "agents:read"]).await;
    let attacker = app.client("team-b", &EVERYTHING_BUT_ADMIN).await;
    let with = app.token(&attacker, None).await;
    let without = app.token(&attacker, Some("audit:read tokens:read")).await;
    let before = app.everything().await;
    let own = attacker.credential_id.clone().unwrap();
    let ids = [
        victim.id.clone(),
        UNKNOWN.to_owned(),
        "00000000-0000-0000-0000-000000000000".to_owned(),
        victim.id.to_uppercase(),
        victim.id.replace('-', ""),
        format!("%7B{}%7D", victim.id),
        format!("%20{}", victim.id),
        format!("{}%00", victim.id),
        format!("{};x", victim.id),
        "x".to_owned(),
        "%2e%2e%2f".to_owned(),
        "%27%20or%201=1--".to_owned(),
        "a".repeat(2000),
    ];
    for (method, rest, body) in operations() {
        for (token, expected) in [(&with, "404 AGENT_NOT_FOUND"), (&without, "403 FORBIDDEN")] {
            let mut answers = Vec::new();
            for id in &ids {
                for credential in [victim.credential_id.as_ref().unwrap(), &own, UNKNOWN, "x"] {
                    let path = format!("{}{}", agent_path(id), rest.replace("CRED", credential));
                    let call = app.asking(token, method, &path, &body).header("Idempotency-Key", "oracle");
                    answers.push((format!("{method} {path}"), call.send().await));
                    if !rest.contains("CRED") {
                        break;
                    }
                }
            }
            all_alike(&answers, expected);
            // What is no UTF-8 is no path, to everybody.
            let path = format!("/api/v1/agents/%ff{}", rest.replace("CRED", "%ff"));
            assert_eq!(app.ask(token, method, &path, &body).await.failure(), "404 NOT_FOUND", "{method} {path}");
        }
    }
    assert_eq!(app.everything().await, before);
}

async fn foreign_credential_ids_answer_like_unknown_ones(app: TestApp) {
    let victim = app.client("team-a", &["data:read"]).await;
    let attacker = app.client("team-b", &EVERYTHING_BUT_ADMIN).await;
    let token = app.token(&attacker, None).await;
    let foreign = victim.credential_id.unwrap();
    for (method, rest) in [("POST", "/rotate"), ("DELETE", "")] {
        let mut answers = Vec::new();
        for id in [&foreign, UNKNOWN, "x", &foreign.to_uppercase(), "%2e%2e%2f", &victim.id] {
            let path = format!("{}/{id}{rest}", attacker.credentials());
            answers.push((path.clone(), app.ask(&token, method, &path, &Value::Null).await));
        }
        all_alike(&answers, "404 CREDENTIAL_NOT_FOUND");
        let events = newest(&app, &token, answers.len()).await;
        for (event, (path, _)) in events.iter().zip(&answers) {
            let asked = path.split('/').nth(6).unwrap();
            let asked = if asked.starts_with('%') { event["metadata"]["target"].as_str().unwrap() } else { asked };
            assert_eq!(plain(event, asked), plain(&events[0], &foreign), "{path}");
        }
    }
}

/// The newest denials in the log of the token's owner, oldest first.
async fn newest(app: &TestApp, token: &str, count: usize) -> Vec<Value> {
    let path = format!("/api/v1/audit?action=authz.denied&limit={count}");
    let answer = app.ask(token, "GET", &path, &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json["data"].as_array().unwrap().iter().rev().cloned().collect()
}

/// An event without what is new in every event and without the id that was asked for.
fn plain(event: &Value, asked: &str) -> String {
    let mut event = event.clone();
    for name in ["eventId", "timestamp", "requestId"] {
        event[name] = Value::Null;
    }
    if event["metadata"]["input"].is_object() {
        event["metadata"]["input"]["time"] = Value::Null;
    }
    event.to_string().replace(asked, "ASKED")
}

async fn denied_calls_leave_events_that_tell_nothing(app: TestApp) {
    let victim = app.client("team-a", &["data:read", "agents:read"]).await;
    let attacker = app.client("team-b", &EVERYTHING_BUT_ADMIN).await;
    let with = app.token(&attacker, None).await;
    let without = app.token(&attacker, Some("audit:read tokens:read")).await;
    for (method, rest, body) in operations() {
        for (token, reason) in [(&with, "agent_not_found"), (&without, "missing_scope")] {
            let rest = rest.replace("CRED", victim.credential_id.as_ref().unwrap());
            let path = |id: &str| format!("{}{rest}", agent_path(id));
            app.ask(token, method, &path(&victim.id), &body).await;
            app.ask(token, method, &path(UNKNOWN), &body).await;
            let events = newest(&app, token, 2).await;
            assert_eq!((&events[0]["reason"], &events[0]["agentId"]), (&json!(reason), &json!(attacker.id)));
            assert_eq!(events[0]["metadata"]["target"], json!(victim.id));
            assert_eq!(plain(&events[0], &victim.id), plain(&events[1], UNKNOWN), "{method} {rest} {reason}");
        }
    }
    // Its own agents are another matter: what was decided can be decided again.
    let peer = app.client("team-b", &["admin:all"]).await;
    assert_eq!(app.ask(&with, "DELETE", &peer.path(), &Value::Null).await.failure(), "403 FORBIDDEN");
    let event = newest(&app, &with, 1).await.remove(0);
    assert_eq!(event["metadata"]["input"]["resource"]["agentId"], json!(peer.id), "{event}");
}

async fn addresses_are_unique_within_the_owner_only(app: TestApp) {
    let victim = app.register("team-a", &["data:read"]).await;
    let attacker = app.client("team-b", &["agents:write", "agents:read", "data:read"]).await;
    let token = app.token(&attacker, None).await;
    let email = victim["email"].as_str().unwrap();
    let register = async |owner: &str, email: &str, token: &str| {
        let mut agent = new_agent(owner, &["data:read"]);
        agent["email"] = json!(email);
        app.ask(token, "POST", "/api/v1/agents", &agent).await
    };
    let mine = register("team-b", email, &token).await;
    assert_eq!(mine.status, 201, "another owner's address is free: {mine:?}");
    for taken in [email.to_owned(), email.to_uppercase(), email.replace("example", "EXAMPLE")] {
        assert_eq!(register("team-b", &taken, &token).await.failure(), "409 AGENT_ALREADY_EXISTS", "{taken}");
    }
    let path = agent_path(mine.json["agentId"].as_str().unwrap());
    assert_eq!(app.ask(&token, "DELETE", &path, &Value::Null).await.status, 204);
    assert_eq!(register("team-b", email, &token).await.failure(), "409 AGENT_ALREADY_EXISTS");
    // What is refused before does not get as far as the address.
    assert_eq!(register("team-a", email, &token).await.failure(), "403 FORBIDDEN");
    let free = register("team-a", "free@example.com", &token).await;
    assert_eq!(free.seen(), register("team-a", email, &token).await.seen());
    // Moving into an owner where the address is taken.
    let admin = app.admin_token().await;
    let third = register("team-c", &email.to_uppercase(), &admin).await;
    let path = agent_path(third.json["agentId"].as_str().unwrap());
    let moved = app.ask(&admin, "PATCH", &path, &json!({"owner": "team-b"})).await;
    assert_eq!(moved.failure(), "409 AGENT_ALREADY_EXISTS");
    assert_eq!(app.ask(&admin, "GET", &path, &Value::Null).await.json["owner"], "team-c");
}

/// The rows of a list, page by page from `query` on.
async fn rows(app: &TestApp, token: &str, path: &str) -> Vec<Value> {
    let answer = app.ask(token, "GET", path, &Value::Null).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json["data"].as_array().unwrap().clone()
}

fn cursor(at: i64, id: [u8; 16]) -> String {
    base64([at.to_be_bytes().as_slice(), &id].concat())
}

async fn cursors_and_filters_stay_within_the_owner(app: TestApp) {
    let victims: Vec<Client> = vec![
        app.client("team-a", &["agents:read", "audit:read"]).await,
        app.client("team-a", &["data:read"]).await,
        app.client("team-a", &["data:read"]).await,
    ];
    let attacker = app.client("team-b", &EVERYTHING_BUT_ADMIN).await;
    let mine = app.client("team-b", &["data:read"]).await;
    let victim = app.token(&victims[0], None).await;
    let token = app.token(&attacker, None).await;
    let next = async |path: &str| {
        app.ask(&victim, "GET", path, &Value::Null).await.json["nextCursor"].as_str().unwrap().to_owned()
    };
    let agents = next("/api/v1/agents?limit=1").await;
    let events = next("/api/v1/audit?limit=1").await;
    app.credential(&victims[0].id).await;
    let credentials = next(&format!("{}?limit=1", victims[0].credentials())).await;
    let forged = [
        cursor(i64::MAX, [0xff; 16]),
        cursor(i64::MIN, [0; 16]),
        cursor(0, [0; 16]),
        cursor(-1, [0xff; 16]),
        cursor(253_402_300_799_999, *uuid::Uuid::parse_str(&victims[0].id).unwrap().as_bytes()),
    ];
    let own_path = attacker.credentials();
    for cursor in [&agents, &events, &credentials].into_iter().chain(&forged) {
        for agent in rows(&app, &token, &format!("/api/v1/agents?cursor={cursor}&limit=100")).await {
            assert_eq!(agent["owner"], "team-b", "{cursor}");
        }
        for event in rows(&app, &token, &format!("/api/v1/audit?cursor={cursor}&limit=100")).await {
            let about = event["agentId"].as_str().unwrap();
            assert!([&attacker.id, &mine.id].contains(&&about.to_owned()), "{cursor}: {event}");
        }
        for credential in rows(&app, &token, &format!("{own_path}?cursor={cursor}&limit=100")).await {
            assert_eq!(credential["clientId"], json!(attacker.id), "{cursor}");
        }
    }
    for bad in ["x", "%00", "AAAA", "'%20or%201=1--", "null", &format!("{agents}%3D"), &"A".repeat(5000)] {
        for list in ["/api/v1/agents", "/api/v1/audit", &own_path] {
            let answer = app.ask(&token, "GET", &format!("{list}?cursor={bad}"), &Value::Null).await;
            assert_eq!((answer.failure(), answer.fields()), ("400 VALIDATION_ERROR".into(), vec!["cursor".into()]));
        }
    }
    let email = app.ask(&victim, "GET", &victims[0].path(), &Value::Null).await.json["email"].clone();
    for filter in ["owner=team-a".to_owned(), "q=team-a".to_owned(), format!("q={}", email.as_str().unwrap())] {
        assert_eq!(rows(&app, &token, &format!("/api/v1/agents?{filter}")).await, Vec::<Value>::new(), "{filter}");
    }
    for filter in ["", "owner=team-b", "q=%25", "q=_", "q=team", "owner=%25"] {
        for agent in rows(&app, &token, &format!("/api/v1/agents?limit=100&{filter}")).await {
            assert_eq!(agent["owner"], "team-b", "{filter}");
        }
    }
    assert_eq!(rows(&app, &token, "/api/v1/agents?q=team-b").await.len(), 2);
}

async fn the_audit_log_shows_an_owner_its_own_events(app: TestApp) {
    let victim = app.client("team-a", &["data:read"]).await;
    let attacker = app.client("team-b", &EVERYTHING_BUT_ADMIN).await;
    let system = app.client("system", &["audit:read"]).await;
    app.token(&victim, None).await;
    // Nobody's: an unknown client.
    let nobody = Client { id: UNKNOWN.to_owned(), ..victim.clone() };
    assert_eq!(app.token_answer(&nobody, &[]).await.failure(), "401 invalid_client");
    let token = app.token(&attacker, None).await;
    // Suspended and moved away: what is about the agent now belongs to its new owner.
    let admin = app.admin_token().await;
    for event in rows(&app, &token, "/api/v1/audit?limit=100").await {
        assert_eq!(event["agentId"], json!(attacker.id), "{event}");
    }
    let filtered = |id: &str| format!("/api/v1/audit?agentId={id}");
    assert_eq!(rows(&app, &token, &filtered(&victim.id)).await, rows(&app, &token, &filtered(UNKNOWN)).await);
    assert!(!rows(&app, &admin, &filtered(&victim.id)).await.is_empty());

    let foreign = app.audit(&format!("agentId={}", victim.id)).await[0]["eventId"].as_str().unwrap().to_owned();
    let failed = app.audit("action=auth.failed").await;
    let ownerless = failed.iter().find(|event| event["agentId"].is_null()).unwrap();
    let ownerless = ownerless["eventId"].as_str().unwrap().to_owned();
    let event = |id: &str| format!("/api/v1/audit/{id}");
    let without = app.token(&attacker, Some("agents:read")).await;
    let system = app.token(&system, None).await;
    for (token, expected) in
        [(&token, "404 AUDIT_EVENT_NOT_FOUND"), (&system, "404 AUDIT_EVENT_NOT_FOUND"), (&without, "403 FORBIDDEN")]
    {
        let mut answers = Vec::new();
        for id in [&foreign, UNKNOWN, "x", &ownerless, "%2e%2fx", &foreign.to_uppercase()] {
            answers.push((id.to_owned(), app.ask(token, "GET", &event(id), &Value::Null).await));
        }
        all_alike(&answers, expected);
    }
    let events = newest(&app, &token, 100).await;
    let about = |id: &str| events.iter().find(|event| event["metadata"]["target"] == id).unwrap();
    assert_eq!(plain(about(&foreign), &foreign), plain(about(UNKNOWN), UNKNOWN));
    assert!(rows(&app, &system, "/api/v1/audit?limit=100").await.iter().all(|event| !event["agentId"].is_null()));
    for id in [&foreign, &ownerless] {
        assert_eq!(app.ask(&admin, "GET", &event(id), &Value::Null).await.status, 200);
    }

    // Events stay with the owner that the agent had: those before a move do not move with it.
    let moved = app.ask(&admin, "PATCH", &victim.path(), &json!({"owner": "team-b"})).await;
    assert_eq!(moved.status, 200, "{moved:?}");
    let seen = rows(&app, &token, &filtered(&victim.id)).await;
    let actions: Vec<&str> = seen.iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["agent.updated"]);
}
