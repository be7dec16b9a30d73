//! Many at once: nothing is lost, nothing is done twice, no limit is passed.

use crate::support::{Answer, Client, Database, TestApp, new_agent};
use agentidp_core::ports::custody::Pending;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

crate::on_both!(
    no_change_of_many_is_lost,
    twins_of_a_registration_make_one_agent,
    rotations_together_leave_one_secret,
    revocations_together_all_succeed,
);

crate::on_both_with_vault!(
    twins_of_a_credential_show_one_secret,
    twins_of_a_deletion_delete_once,
    ten_of_fifteen_credentials_are_made,
    a_revocation_among_rotations_wins,
);

/// An issuer that replicas share.
const SHARED_ISSUER: [(&str, &str); 1] = [("ISSUER", "http://127.0.0.1:1")];

async fn together<F: Future<Output = Answer>>(count: usize, make: impl FnMut(usize) -> F) -> Vec<Answer> {
    join_all((0..count).map(make)).await
}

/// How many answers there are of each kind: `201`, `409 CREDENTIAL_LIMIT_REACHED`.
fn tally(answers: &[Answer]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        let kind = if answer.status < 400 { answer.status.to_string() } else { answer.failure() };
        *counts.entry(kind).or_default() += 1;
    }
    counts
}

fn counts<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.map(|(kind, count)| (kind.to_owned(), count)).into()
}

fn replayed(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.header("idempotency-replayed") == "true").count()
}

/// The path of the client's credential, with `rest` behind it.
fn credential_path(client: &Client, rest: &str) -> String {
    let credential = client.credential_id.as_deref().unwrap();
    format!("/api/v1/agents/{}/credentials/{credential}{rest}", client.id)
}

/// Every secret of the answers.
fn secrets(answers: &[Answer]) -> Vec<String> {
    answers.iter().filter_map(|answer| answer.json["clientSecret"].as_str()).map(str::to_owned).collect()
}

/// Those of the secrets that give a token.
async fn live(app: &TestApp, client: &Client, secrets: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut live = Vec::new();
    for secret in secrets {
        let answer = app.token_answer(&Client { secret: secret.clone(), ..client.clone() }, &[]).await;
        match answer.status {
            200 => live.push(secret),
            _ => assert_eq!(answer.failure(), "401 invalid_client"),
        }
    }
    live
}

async fn no_change_of_many_is_lost(app: TestApp) {
    let agent = app.register("team-a", &["data:read"]).await;
    let id = agent["agentId"].as_str().unwrap();
    let admin = app.admin_token().await;
    let path = format!("/api/v1/agents/{id}");
    let change = |number: usize| {
        app.call("PATCH", &path).bearer(&admin).json(&json!({"version": format!("2.0.{number}")})).send()
    };
    let answers = together(50, change).await;
    assert_eq!(tally(&answers), counts([("200", 50)]));
    let events = app.audit(&format!("agentId={id}&action=agent.updated&limit=100")).await;
    assert_eq!(events.len(), 50);
    // From the first version on, each change must have been made from what the one before it left.
    let changes: BTreeMap<&str, (&str, &str)> = events.iter().map(step).collect();
    let updated: BTreeMap<&str, &str> = answers.iter().map(|answer| version_and_time(&answer.json)).collect();
    let (mut version, mut at, mut recorded) = ("1.0.0", agent["updatedAt"].as_str().unwrap(), "");
    for _ in 0..50 {
        let (to, time) = changes[version];
        assert!(updated[to] >= at, "updatedAt goes back at {to}");
        assert!(time >= recorded, "the audit log goes back at {to}");
        (version, at, recorded) = (to, updated[to], time);
    }
    let last = app.call("GET", &path).bearer(&admin).send().await;
    assert_eq!(version_and_time(&last.json), (version, at));
}

fn step(event: &Value) -> (&str, (&str, &str)) {
    let version = &event["metadata"]["changes"]["version"];
    let text = |value: &'static str| version[value].as_str().unwrap();
    (text("from"), (text("to"), event["timestamp"].as_str().unwrap()))
}

fn version_and_time(agent: &Value) -> (&str, &str) {
    (agent["version"].as_str().unwrap(), agent["updatedAt"].as_str().unwrap())
}

/// Whatever lost a race has left nothing outside the database. A place that was cleared while a write was announced is
/// looked at once more, half a minute later, for which nobody waits here.
async fn nothing_is_pending(app: &TestApp) {
    app.execute("UPDATE secret_custody SET due_at = 0 WHERE due_at IS NOT NULL");
    let pending = app.background().custody.reconcile().await.unwrap();
    assert_eq!(pending, Pending::default());
}

async fn twins_of_a_registration_make_one_agent(app: TestApp) {
    register_twins(&[&app]).await;
}

/// Registers fifty times by one key, on the replicas in turn.
async fn register_twins(replicas: &[&TestApp]) {
    let app = replicas[0];
    let admin = app.admin_token().await;
    let body = new_agent("team-a", &["data:read"]);
    let register = |number: usize| {
        let call = replicas[number % replicas.len()].call("POST", "/api/v1/agents").bearer(&admin);
        call.header("Idempotency-Key", "twins").json(&body).send()
    };
    let answers = together(50, register).await;
    assert_eq!(tally(&answers), counts([("201", 50)]));
    assert_eq!(replayed(&answers), 49);
    let seen: BTreeSet<(&str, &str)> =
        answers.iter().map(|answer| (answer.text.as_str(), answer.header("location"))).collect();
    assert_eq!(seen.len(), 1, "{seen:?}");
    let id = answers[0].json["agentId"].as_str().unwrap();
    let list = app.call("GET", "/api/v1/agents?owner=team-a").bearer(&admin).send().await;
    assert_eq!(list.json["data"], json!([answers[0].json]));
    let events = app.audit("action=agent.created").await;
    assert_eq!(events.iter().map(|event| event["agentId"].as_str().unwrap()).collect::<Vec<_>>(), [id]);
}

async fn twins_of_a_credential_show_one_secret(app: TestApp) {
    let client = app.client("team-a", &["data:read"]).await;
    let admin = app.admin_token().await;
    let generate = format!("/api/v1/agents/{}/credentials", client.id);
    for (path, status, action) in
        [(generate, "201", "credential.generated"), (credential_path(&client, "/rotate"), "200", "credential.rotated")]
    {
        let before = app.audit(&format!("action={action}")).await.len();
        let twin = |_| app.call("POST", &path).bearer(&admin).header("Idempotency-Key", action).json(&json!({})).send();
        let answers = together(50, twin).await;
        assert_eq!((tally(&answers), replayed(&answers)), (counts([(status, 50)]), 49));
        let shown = secrets(&answers);
        assert_eq!(shown.len(), 1, "the others are null");
        assert!(answers.iter().all(|answer| answer.json["clientSecret"].is_null() != shown.contains(&secret(answer))));
        let ids: BTreeSet<_> = answers.iter().map(|answer| answer.json["credentialId"].to_string()).collect();
        assert_eq!(ids.len(), 1);
        assert_eq!(live(&app, &client, shown.clone()).await, shown);
        assert_eq!(app.audit(&format!("action={action}")).await.len(), before + 1);
    }
    nothing_is_pending(&app).await;
}

fn secret(answer: &Answer) -> String {
    answer.json["clientSecret"].as_str().unwrap_or_default().to_owned()
}

async fn twins_of_a_deletion_delete_once(app: TestApp) {
    let client = app.client("team-a", &["data:read"]).await;
    let admin = app.admin_token().await;
    for (path, action) in [
        (credential_path(&client, ""), "credential.revoked"),
        (format!("/api/v1/agents/{}", client.id), "agent.decommissioned"),
    ] {
        let twin = |_| app.call("DELETE", &path).bearer(&admin).header("Idempotency-Key", action).send();
        let answers = together(50, twin).await;
        assert_eq!((tally(&answers), replayed(&answers)), (counts([("204", 50)]), 49));
        assert_eq!(app.audit(&format!("action={action}")).await.len(), 1);
        let late = app.call("DELETE", &path).bearer(&admin).send().await;
        assert_eq!(late.status, 409, "without the key it is another request");
    }
}

async fn ten_of_fifteen_credentials_are_made(app: TestApp) {
    let agent = app.register("team-a", &["data:read"]).await;
    let id = agent["agentId"].as_str().unwrap();
    let admin = app.admin_token().await;
    let path = format!("/api/v1/agents/{id}/credentials");
    let answers = together(15, |_| app.call("POST", &path).bearer(&admin).json(&json!({})).send()).await;
    assert_eq!(tally(&answers), counts([("201", 10), ("409 CREDENTIAL_LIMIT_REACHED", 5)]));
    let active = app.call("GET", &format!("{path}?status=active")).bearer(&admin).send().await;
    assert_eq!(active.json["data"].as_array().unwrap().len(), 10);
    assert_eq!(app.audit("action=credential.generated").await.len(), 10);
    nothing_is_pending(&app).await;
}

async fn rotations_together_leave_one_secret(app: TestApp) {
    let client = app.client("team-a", &["data:read"]).await;
    let admin = app.admin_token().await;
    let path = credential_path(&client, "/rotate");
    let answers = together(30, |_| app.call("POST", &path).bearer(&admin).json(&json!({})).send()).await;
    assert_eq!(tally(&answers), counts([("200", 30)]));
    let handed_out: BTreeSet<String> = secrets(&answers).into_iter().collect();
    assert_eq!(handed_out.len(), 30);
    let all = handed_out.into_iter().chain([client.secret.clone()]);
    assert_eq!(live(&app, &client, all).await.len(), 1);
    let events = app.audit("action=credential.rotated&limit=100").await;
    assert_eq!(events.len(), 30);
    nothing_is_pending(&app).await;
}

async fn a_revocation_among_rotations_wins(app: TestApp) {
    let client = app.client("team-a", &["data:read"]).await;
    let token = app.token(&client, None).await;
    let admin = app.admin_token().await;
    let change = |number: usize| match number {
        5 => app.call("DELETE", &credential_path(&client, "")).bearer(&admin).send(),
        _ => {
            let body = json!({"graceSeconds": 600});
            app.call("POST", &credential_path(&client, "/rotate")).bearer(&admin).json(&body).send()
        }
    };
    let answers = together(12, change).await;
    let mut kinds = tally(&answers);
    assert_eq!(kinds.remove("204"), Some(1));
    let late = kinds.remove("409 CREDENTIAL_ALREADY_REVOKED").unwrap_or(0);
    assert_eq!(kinds.remove("200").unwrap_or(0) + late, 11, "{kinds:?}");
    let all = secrets(&answers).into_iter().chain([client.secret.clone()]);
    assert_eq!(live(&app, &client, all).await, [] as [String; 0]);
    let path = format!("/api/v1/agents/{}/credentials", client.id);
    let list = app.call("GET", &path).bearer(&admin).send().await;
    assert_eq!(
        (&list.json["data"][0]["status"], &list.json["data"][0]["graceUntil"]),
        (&json!("revoked"), &Value::Null)
    );
    let dead = app.call("GET", "/api/v1/agents").bearer(&token).send().await;
    assert_eq!(dead.failure(), "401 UNAUTHORIZED");
    nothing_is_pending(&app).await;
}

async fn revocations_together_all_succeed(app: TestApp) {
    let client = app.client("team-a", &["tokens:read"]).await;
    let token = app.token(&client, None).await;
    let form = [("token", token.as_str())];
    let revoke = |_| app.call("POST", "/api/v1/token/revoke").basic(&client.id, &client.secret).form(&form).send();
    assert_eq!(tally(&together(20, revoke).await), counts([("200", 20)]));
    let introspection = app.call("POST", "/api/v1/token/introspect").basic(&client.id, &client.secret).form(&form);
    assert_eq!(introspection.send().await.json, json!({"active": false}));
}

#[tokio::test(flavor = "multi_thread")]
async fn twins_on_two_replicas_make_one_agent() {
    let app = TestApp::start_with(Database::Postgres, &SHARED_ISSUER).await;
    let other = app.replica().await;
    register_twins(&[&app, &other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_on_two_replicas_meet() {
    let app = TestApp::start_with(Database::Postgres, &SHARED_ISSUER).await;
    let other = app.replica().await;
    let client = app.client("team-a", &["data:read"]).await;
    let admin = other.admin_token().await;
    let path = credential_path(&client, "/rotate");
    let replicas = [&app, &other];
    let rotate = |number: usize| replicas[number % 2].call("POST", &path).bearer(&admin).json(&json!({})).send();
    let answers = together(20, rotate).await;
    assert_eq!(tally(&answers), counts([("200", 20)]));
    let left = live(&other, &client, secrets(&answers)).await;
    assert_eq!((left.len(), live(&app, &client, secrets(&answers)).await), (1, left));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_on_one_replica_ends_on_the_other_at_once() {
    let app = TestApp::start_with(Database::Postgres, &SHARED_ISSUER).await;
    let other = app.replica().await;
    let client = app.client("team-a", &["agents:read"]).await;
    let admin = app.admin_token().await;
    let status =
        async |replica: &TestApp, token: &str| replica.call("GET", "/api/v1/agents").bearer(token).send().await.status;
    let token = app.token(&client, None).await;
    assert_eq!((status(&app, &token).await, status(&other, &token).await), (200, 200));
    let path = format!("/api/v1/agents/{}", client.id);
    for (to, expected) in [("suspended", 401), ("active", 200)] {
        let changed = app.call("PATCH", &path).bearer(&admin).json(&json!({"status": to})).send().await;
        assert_eq!(changed.status, 200, "{changed:?}");
        assert_eq!(status(&other, &token).await, 401, "{to}: tokens from before are void for good");
        let answer = other.token_answer(&client, &[]).await;
        assert_eq!(answer.status, expected, "{to}");
    }
    let token = other.token(&client, None).await;
    assert_eq!(status(&app, &token).await, 200);
    let revoked = app.call("POST", "/api/v1/token/revoke").bearer(&token).form(&[("token", &token)]).send().await;
    assert_eq!((revoked.status, status(&other, &token).await), (200, 401));
}
