//! What a running server answers, against the OpenAPI document: status, headers and body of every operation.

use crate::support::document::{Document, Documented};
use crate::support::walker::Walker;
use crate::support::{Call, Client, Database, TestApp, new_agent};
use serde_json::{Value, json};
use std::collections::BTreeSet;

crate::on_both!(without_credentials_no_protected_operation_answers, every_answer_is_as_documented);

const NOBODY: &str = "0198c0de-7a11-7c3e-9a52-3f6f0e1d2c4b";

/// A path of the operation, for ids that nobody has.
fn path_of(operation: &Documented) -> String {
    let part = |part: &str| if part.starts_with('{') { NOBODY.to_owned() } else { part.to_owned() };
    operation.path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// The documented example as the body of a request.
fn with_example(document: &Document, operation: &Documented, call: Call) -> Call {
    let Some(content) = operation.value.get("requestBody").and_then(|body| body["content"].as_object()) else {
        return call;
    };
    let (kind, media) = content.iter().next().unwrap();
    let (_, example) = document.examples(media).into_iter().next().unwrap();
    if kind == "application/json" {
        return call.json(&example);
    }
    let fields = example.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
    call.form(&fields.collect::<Vec<_>>())
}

fn is_oauth(operation: &Documented) -> bool {
    operation.path.starts_with("/api/v1/token")
}

async fn without_credentials_no_protected_operation_answers(app: TestApp) {
    let mut walker = Walker::new(&app);
    for operation in walker.document.operations() {
        let protected = !operation.value["security"].as_array().unwrap().is_empty();
        let expected = match (protected, is_oauth(&operation)) {
            (false, _) => "200",
            (true, true) => "401 invalid_client",
            (true, false) => "401 UNAUTHORIZED",
        };
        let document = Document::load();
        let path = path_of(&operation);
        let answer =
            walker.step(&operation.id, &path, expected, |call| with_example(&document, &operation, call)).await;
        assert_eq!(answer.header("www-authenticate").is_empty(), !protected, "{}", operation.id);
    }
    walker.step("getHealth", "/health", "200", |call| call.header("X-Forwarded-For", "192.0.2.1")).await;
    let warned = walker.step("getHealth", "/health", "200", |call| call).await;
    assert_eq!(warned.json["warnings"].as_array().map(Vec::len), Some(1));
}

async fn every_answer_is_as_documented(app: TestApp) {
    let mut walker = Walker::new(&app);
    let admin = app.admin_token().await;
    let agent = agents(&mut walker, &admin).await;
    let client = credentials(&mut walker, &admin, &agent).await;
    tokens(&mut walker, &client).await;
    audit(&mut walker, &admin).await;
    endings(&mut walker, &admin, &client).await;
    refusals(&mut walker, &client).await;
    let missing: Vec<String> = documented_outcomes(&walker.document).difference(&walker.seen).cloned().collect();
    assert_eq!(missing, Vec::<String>::new(), "documented, but never seen");
}

/// What a healthy server without limits and quotas and with the policy that comes with it can be made to answer.
fn documented_outcomes(document: &Document) -> BTreeSet<String> {
    use agentidp::http::error::Code;
    let elsewhere = [Code::RateLimitExceeded, Code::QuotaExceeded, Code::Internal, Code::Unavailable];
    let mut outcomes = BTreeSet::new();
    for operation in &agentidp::http::operations::OPERATIONS {
        let responses = document.operation(operation.id).value["responses"].clone();
        let good = responses.as_object().unwrap().keys().find(|status| status.starts_with('2')).unwrap().clone();
        outcomes.insert(format!("{} {good}", operation.id));
        for code in operation.codes().into_iter().filter(|code| !elsewhere.contains(code)) {
            let word = if operation.is_oauth() { code.oauth() } else { code.api() };
            outcomes.insert(format!("{} {} {word}", operation.id, code.status().as_u16()));
        }
    }
    // The policy that comes with it lets every client call these; another one may not.
    for by_other_policies in ["revokeToken 403 insufficient_scope", "issueToken 400 unauthorized_client"] {
        assert!(outcomes.remove(by_other_policies));
    }
    outcomes
}

/// Agents up to one that can have credentials; gives its id.
async fn agents(walker: &mut Walker<'_>, admin: &str) -> String {
    let path = "/api/v1/agents";
    let body = new_agent("talent-team", &["applications:read", "data:*"]);
    let keyed = |call: Call| call.bearer(admin).header("Idempotency-Key", "first").json(&body);
    let agent = walker.step("registerAgent", path, "201", keyed).await;
    let again = walker.step("registerAgent", path, "201", keyed).await;
    assert_eq!((again.header("idempotency-replayed"), &again.json), ("true", &agent.json));
    let other = |call: Call| call.bearer(admin).header("Idempotency-Key", "first").json(&json!({"email": "x"}));
    walker.step("registerAgent", path, "400 VALIDATION_ERROR", other).await;
    let other = new_agent("talent-team", &["applications:read"]);
    let other = |call: Call| call.bearer(admin).header("Idempotency-Key", "first").json(&other);
    walker.step("registerAgent", path, "422 IDEMPOTENCY_CONFLICT", other).await;
    walker.step("registerAgent", path, "409 AGENT_ALREADY_EXISTS", |call| call.bearer(admin).json(&body)).await;
    let page = walker.step("listAgents", "/api/v1/agents?limit=1", "200", |call| call.bearer(admin)).await;
    let next = format!("/api/v1/agents?limit=100&cursor={}", page.json["nextCursor"].as_str().unwrap());
    walker.step("listAgents", &next, "200", |call| call.bearer(admin)).await;
    let bad = "/api/v1/agents?limit=0&cursor=x&status=gone";
    let bad = walker.step("listAgents", bad, "400 VALIDATION_ERROR", |call| call.bearer(admin)).await;
    assert_eq!(bad.json["details"]["fields"].as_array().unwrap().len(), 3);
    let path = agent.header("location").to_owned();
    walker.step("getAgent", &path, "200", |call| call.bearer(admin)).await;
    let version = json!({"version": "1.5.0"});
    let keyed = |call: Call| call.bearer(admin).header("Idempotency-Key", "patch").json(&version);
    walker.step("updateAgent", &path, "200", keyed).await;
    let other = |call: Call| call.bearer(admin).header("Idempotency-Key", "patch").json(&json!({"version": "2.0.0"}));
    walker.step("updateAgent", &path, "422 IDEMPOTENCY_CONFLICT", other).await;
    walker.step("updateAgent", &path, "400 VALIDATION_ERROR", |call| call.bearer(admin).json(&json!({}))).await;
    let mut twin = body.clone();
    twin["owner"] = "another-team".into();
    let twin = walker.step("registerAgent", "/api/v1/agents", "201", |call| call.bearer(admin).json(&twin)).await;
    let home = json!({"owner": "talent-team"});
    let taken = |call: Call| call.bearer(admin).json(&home);
    walker.step("updateAgent", twin.header("location"), "409 AGENT_ALREADY_EXISTS", taken).await;
    agent.json["agentId"].as_str().unwrap().to_owned()
}

/// Credentials of an agent up to their limit; gives one that works.
async fn credentials(walker: &mut Walker<'_>, admin: &str, agent: &str) -> Client {
    let path = format!("/api/v1/agents/{agent}/credentials");
    let body = json!({"expiresAt": "2099-01-01T00:00:00Z"});
    let keyed = |call: Call| call.bearer(admin).header("Idempotency-Key", "made").json(&body);
    let made = walker.step("generateCredential", &path, "201", keyed).await;
    let again = walker.step("generateCredential", &path, "201", keyed).await;
    assert_eq!(again.json["clientSecret"], Value::Null);
    let other = |call: Call| call.bearer(admin).header("Idempotency-Key", "made");
    walker.step("generateCredential", &path, "422 IDEMPOTENCY_CONFLICT", other).await;
    let past = json!({"expiresAt": "1999-01-01T00:00:00Z"});
    walker.step("generateCredential", &path, "400 VALIDATION_ERROR", |call| call.bearer(admin).json(&past)).await;
    for _ in 0..9 {
        walker.step("generateCredential", &path, "201", |call| call.bearer(admin)).await;
    }
    walker.step("generateCredential", &path, "409 CREDENTIAL_LIMIT_REACHED", |call| call.bearer(admin)).await;
    walker.step("listCredentials", &path, "200", |call| call.bearer(admin)).await;
    let bad = format!("{path}?status=lost");
    walker.step("listCredentials", &bad, "400 VALIDATION_ERROR", |call| call.bearer(admin)).await;
    let id = made.json["credentialId"].as_str().unwrap().to_owned();
    let rotate = format!("{path}/{id}/rotate");
    let grace = json!({"graceSeconds": 60});
    let keyed = |call: Call| call.bearer(admin).header("Idempotency-Key", "turned").json(&grace);
    let rotated = walker.step("rotateCredential", &rotate, "200", keyed).await;
    let other = |call: Call| call.bearer(admin).header("Idempotency-Key", "turned");
    walker.step("rotateCredential", &rotate, "422 IDEMPOTENCY_CONFLICT", other).await;
    let bad = json!({"graceSeconds": -1});
    walker.step("rotateCredential", &rotate, "400 VALIDATION_ERROR", |call| call.bearer(admin).json(&bad)).await;
    let secret = rotated.json["clientSecret"].as_str().unwrap().to_owned();
    let graced = json!({"graceSeconds": 60});
    for _ in 0..9 {
        walker.step("rotateCredential", &rotate, "200", |call| call.bearer(admin).json(&graced)).await;
    }
    let full = |call: Call| call.bearer(admin).json(&graced);
    walker.step("rotateCredential", &rotate, "409 CREDENTIAL_LIMIT_REACHED", full).await;
    Client { id: agent.to_owned(), secret, credential_id: Some(id) }
}

async fn tokens(walker: &mut Walker<'_>, client: &Client) {
    let path = "/api/v1/token";
    let form = |call: Call, pairs: &[(&str, &str)]| {
        let pairs = [&[("grant_type", "client_credentials")], pairs].concat();
        call.basic(&client.id, &client.secret).form(&pairs)
    };
    let issued = walker.step("issueToken", path, "200", |call| form(call, &[("scope", "data:read")])).await;
    walker.step("issueToken", path, "400 invalid_scope", |call| form(call, &[("scope", "mail:send")])).await;
    walker.step("issueToken", path, "400 invalid_target", |call| form(call, &[("resource", "files")])).await;
    walker.step("issueToken", path, "401 invalid_client", |call| call.basic(&client.id, "wrong").form(&[])).await;
    let other = [("grant_type", "password")];
    let other = |call: Call| call.basic(&client.id, &client.secret).form(&other);
    walker.step("issueToken", path, "400 unsupported_grant_type", other).await;
    let token = issued.json["access_token"].as_str().unwrap().to_owned();
    let named = |call: Call| call.basic(&client.id, &client.secret).form(&[("token", &token)]);
    let (introspect, revoke) = ("/api/v1/token/introspect", "/api/v1/token/revoke");
    let live = walker.step("introspectToken", introspect, "200", named).await;
    assert_eq!(live.json["active"], true);
    let several = [("resource", "https://a.example.com"), ("resource", "https://b.example.com")];
    let several = walker.step("issueToken", path, "200", |call| form(call, &several)).await;
    let several = several.json["access_token"].as_str().unwrap().to_owned();
    let several = |call: Call| call.basic(&client.id, &client.secret).form(&[("token", &several)]);
    walker.step("introspectToken", introspect, "200", several).await;
    let scope = |call: Call| call.bearer(&token).form(&[("token", &token)]);
    walker.step("introspectToken", introspect, "403 insufficient_scope", scope).await;
    let other = walker.app.admin_token().await;
    let foreign = |call: Call| call.basic(&client.id, &client.secret).form(&[("token", &other)]);
    walker.step("revokeToken", revoke, "400 unauthorized_client", foreign).await;
    walker.step("revokeToken", revoke, "200", named).await;
    let dead = walker.step("introspectToken", introspect, "200", named).await;
    assert_eq!(dead.json, json!({"active": false}));
    for (id, path) in [("introspectToken", introspect), ("revokeToken", revoke)] {
        walker.step(id, path, "401 invalid_token", |call| call.bearer(&token).form(&[("token", "x")])).await;
    }
}

async fn audit(walker: &mut Walker<'_>, admin: &str) {
    let page = walker.step("queryAuditLog", "/api/v1/audit?limit=100", "200", |call| call.bearer(admin)).await;
    let event = page.json["data"][0]["eventId"].as_str().unwrap().to_owned();
    walker.step("getAuditEvent", &format!("/api/v1/audit/{event}"), "200", |call| call.bearer(admin)).await;
    let none = format!("/api/v1/audit/{NOBODY}");
    walker.step("getAuditEvent", &none, "404 AUDIT_EVENT_NOT_FOUND", |call| call.bearer(admin)).await;
    let bad = "/api/v1/audit?from=yesterday";
    walker.step("queryAuditLog", bad, "400 VALIDATION_ERROR", |call| call.bearer(admin)).await;
}

/// Suspension, revocation, decommissioning, and what is refused then.
async fn endings(walker: &mut Walker<'_>, admin: &str, client: &Client) {
    let agent = format!("/api/v1/agents/{}", client.id);
    let all = format!("{agent}/credentials");
    let one = format!("{all}/{}", client.credential_id.as_deref().unwrap());
    let rotate = format!("{one}/rotate");
    let bearer = |call: Call| call.bearer(admin);
    walker.step("updateAgent", &agent, "200", |call| call.bearer(admin).json(&json!({"status": "suspended"}))).await;
    walker.step("generateCredential", &all, "403 AGENT_NOT_ACTIVE", bearer).await;
    walker.step("rotateCredential", &rotate, "403 AGENT_NOT_ACTIVE", bearer).await;
    walker.step("updateAgent", &agent, "200", |call| call.bearer(admin).json(&json!({"status": "active"}))).await;
    walker.step("revokeCredential", &one, "204", |call| call.bearer(admin).header("Idempotency-Key", "gone")).await;
    walker.step("rotateCredential", &rotate, "409 CREDENTIAL_ALREADY_REVOKED", bearer).await;
    walker.step("revokeCredential", &one, "409 CREDENTIAL_ALREADY_REVOKED", bearer).await;
    let none = format!("{all}/{NOBODY}");
    walker.step("revokeCredential", &none, "404 CREDENTIAL_NOT_FOUND", bearer).await;
    let none_rotate = format!("{none}/rotate");
    walker.step("rotateCredential", &none_rotate, "404 CREDENTIAL_NOT_FOUND", bearer).await;
    let reused = |call: Call| call.bearer(admin).header("Idempotency-Key", "gone");
    walker.step("revokeCredential", &none, "422 IDEMPOTENCY_CONFLICT", reused).await;
    walker.step("decommissionAgent", &agent, "422 IDEMPOTENCY_CONFLICT", reused).await;
    walker.step("decommissionAgent", &agent, "204", bearer).await;
    walker.step("decommissionAgent", &agent, "409 AGENT_ALREADY_DECOMMISSIONED", bearer).await;
    let change = json!({"version": "3.0.0"});
    let change = |call: Call| call.bearer(admin).json(&change);
    walker.step("updateAgent", &agent, "409 AGENT_ALREADY_DECOMMISSIONED", change).await;
}

/// What every operation refuses alike.
async fn refusals(walker: &mut Walker<'_>, gone: &Client) {
    let app = walker.app;
    let admin = app.admin_token().await;
    let stranger = app.client("somewhere-else", &["data:read"]).await;
    let powerless = app.token(&stranger, None).await;
    for operation in Document::load().operations().into_iter().filter(|op| op.value["security"][0].is_object()) {
        let (id, path, document) = (operation.id.clone(), path_of(&operation), Document::load());
        let example = |call: Call| with_example(&document, &operation, call);
        let large = "x".repeat(70_000);
        let has_body = operation.value.get("requestBody").is_some();
        if is_oauth(&operation) {
            let basic = |call: Call| call.basic(&stranger.id, &stranger.secret);
            walker.step(&id, &path, "401 invalid_client", |call| call.basic(&gone.id, &gone.secret).form(&[])).await;
            walker.step(&id, &path, "400 invalid_request", |call| basic(call).form(&[])).await;
            walker.step(&id, &path, "413 invalid_request", |call| basic(call).body("text/plain", large)).await;
            walker.step(&id, &path, "415 invalid_request", |call| basic(call).body("text/plain", "x")).await;
            continue;
        }
        walker.step(&id, &path, "401 UNAUTHORIZED", |call| example(call.bearer("x"))).await;
        walker.step(&id, &path, "403 FORBIDDEN", |call| example(call.bearer(&powerless))).await;
        walker.step(&id, &path, "413 PAYLOAD_TOO_LARGE", |call| call.bearer(&admin).body("text/plain", large)).await;
        let twice = |call: Call| example(call.bearer(&admin).header("Authorization", "Bearer x"));
        walker.step(&id, &path, "400 VALIDATION_ERROR", twice).await;
        if has_body {
            let text = |call: Call| call.bearer(&admin).body("text/plain", "x");
            walker.step(&id, &path, "415 UNSUPPORTED_MEDIA_TYPE", text).await;
        }
        if operation.path.contains("{agentId}") {
            walker.step(&id, &path, "404 AGENT_NOT_FOUND", |call| example(call.bearer(&admin))).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_limit_every_operation_answers_as_documented() {
    let one = [("RATE_LIMIT_PER_MINUTE", "1"), ("INTROSPECTION_RATE_LIMIT_PER_MINUTE", "1")];
    let app = TestApp::start_with(Database::Sqlite, &one).await;
    let mut walker = Walker::new(&app);
    let admin = app.admin_token().await;
    let document = Document::load();
    let introspect = |call: Call| call.bearer(&admin).form(&[("token", "x")]);
    walker.step("introspectToken", "/api/v1/token/introspect", "200", introspect).await;
    for operation in document.operations().into_iter().filter(|op| op.value["security"][0].is_object()) {
        let word = if is_oauth(&operation) { "429 rate_limit_exceeded" } else { "429 RATE_LIMIT_EXCEEDED" };
        let call = |call: Call| match operation.id.as_str() {
            "issueToken" => with_example(&document, &operation, call.basic(&app.admin.id, &app.admin.secret)),
            _ => with_example(&document, &operation, call.bearer(&admin)),
        };
        let answer = walker.step(&operation.id, &path_of(&operation), word, call).await;
        assert_eq!((answer.header("ratelimit-limit"), answer.header("ratelimit-remaining")), ("1", "0"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_too_often_is_told_its_limit() {
    let app = TestApp::start_with(Database::Sqlite, &[("AUTH_FAILURES_PER_MINUTE", "1")]).await;
    let mut walker = Walker::new(&app);
    let nobody = |call: Call| call.basic(NOBODY, "x").form(&[]);
    walker.step("issueToken", "/api/v1/token", "401 invalid_client", nobody).await;
    let blocked = walker.step("issueToken", "/api/v1/token", "429 rate_limit_exceeded", nobody).await;
    assert_eq!((blocked.header("ratelimit-limit"), blocked.header("ratelimit-remaining")), ("1", "0"));
}
