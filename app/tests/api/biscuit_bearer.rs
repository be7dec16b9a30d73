//! A Biscuit as a bearer token: what its checks leave of it.

use crate::support::{Client, TestApp, UNKNOWN, attenuate, new_agent};
use serde_json::json;

crate::on_both!(
    checks_narrow_what_it_opens,
    a_biscuit_that_passes_nothing_opens_nothing,
    an_outlived_biscuit_is_dead,
    a_biscuit_hands_out_no_rights,
    introspection_asks_the_checks,
);

async fn scene(app: &TestApp) -> (Client, String) {
    let client = app.client("team-a", &["agents:read", "agents:write", "tokens:read", "data:read"]).await;
    let biscuit = app.biscuit(&client).await.1;
    (client, biscuit)
}

async fn checks_narrow_what_it_opens(app: TestApp) {
    let (client, biscuit) = scene(&app).await;
    let own = format!("/api/v1/agents/{}", client.id);
    let url = &app.url;
    for (check, one, list) in [
        ("check if requested($s), $s == \"agents:read\"".to_owned(), 200, 200),
        ("check if requested($s), [\"data:read\"].contains($s)".to_owned(), 403, 403),
        (format!("check if target($a), $a == \"{}\"", client.id), 200, 403),
        (format!("check if target(\"{UNKNOWN}\")"), 403, 403),
        ("check if operation(\"listAgents\")".to_owned(), 403, 200),
        ("check if operation($o), [\"getAgent\", \"listAgents\"].contains($o)".to_owned(), 200, 200),
        (format!("check if resource($r), $r == \"{url}\""), 200, 200),
        ("check if resource(\"https://files.example\")".to_owned(), 403, 403),
        ("check if time($t), $t < 2099-01-01T00:00:00Z".to_owned(), 200, 200),
        ("check if tenant(\"red\")".to_owned(), 403, 403),
    ] {
        let narrowed = attenuate(&biscuit, &check);
        for (path, expected) in [(own.as_str(), one), ("/api/v1/agents", list)] {
            let answer = app.call("GET", path).bearer(&narrowed).send().await;
            assert_eq!(answer.status, expected, "{check} at {path}: {answer:?}");
            if expected == 403 {
                assert_eq!(answer.json["details"]["missingScopes"], json!(["agents:read"]), "{check}");
            }
        }
    }
    let twice =
        attenuate(&attenuate(&biscuit, "check if operation(\"getAgent\")"), "check if operation(\"listAgents\")");
    assert_eq!(app.got(&twice, &own).await, "403 FORBIDDEN", "each block counts");
    let stated = attenuate(&biscuit, "scope(\"admin:all\"); scope(\"audit:read\"); owner(\"system\")");
    assert_eq!(app.got(&stated, "/api/v1/audit").await, "403 FORBIDDEN", "a holder gives itself nothing");
    assert_eq!(app.got(&stated, &format!("/api/v1/agents/{}", app.admin.id)).await, "404 AGENT_NOT_FOUND");
    let denials = app.audit(&format!("agentId={}&action=authz.denied", client.id)).await;
    assert!(denials.iter().all(|event| event["actor"]["tokenType"] == "biscuit"), "{denials:?}");
}

async fn a_biscuit_that_passes_nothing_opens_nothing(app: TestApp) {
    let (client, biscuit) = scene(&app).await;
    let nothing = attenuate(&biscuit, "check if false");
    assert_eq!(app.got(&nothing, "/api/v1/agents").await, "403 FORBIDDEN");
    for path in ["introspect", "revoke"] {
        let call = app.call("POST", &format!("/api/v1/token/{path}")).bearer(&nothing);
        let answer = call.form(&[("token", &biscuit)]).send().await;
        assert_eq!(answer.failure(), "403 insufficient_scope", "{path}");
    }
    assert_eq!(app.asked_about(&client, &biscuit, &[]).await.json["active"], true, "it was not taken back");
    let one = attenuate(&biscuit, "check if requested(\"data:read\")");
    let call = app.call("POST", "/api/v1/token/revoke").bearer(&one);
    assert_eq!(call.form(&[("token", &one)]).send().await.status, 200, "with any scope it may take itself back");
}

async fn an_outlived_biscuit_is_dead(app: TestApp) {
    let (client, biscuit) = scene(&app).await;
    // The second of the issue has passed when this one comes.
    let issued = app.asked_about(&client, &biscuit, &[]).await.json["iat"].as_i64().unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    let check = format!("check if time($t), $t <= {}", rfc3339(issued));
    let outlived = attenuate(&biscuit, &check);
    while app.got(&outlived, "/api/v1/agents").await != "401 UNAUTHORIZED" {
        assert!(tokio::time::Instant::now() < deadline, "it lives on");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let answer = app.call("GET", "/api/v1/agents").bearer(&outlived).send().await;
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="agentidp", error="invalid_token""#);
    assert_eq!(app.asked_about(&client, &outlived, &[]).await.json, json!({"active": false}));
    let both = attenuate(&outlived, "check if operation(\"getAgent\")");
    assert_eq!(app.got(&both, "/api/v1/agents").await, "403 FORBIDDEN", "in time it would not have passed either");
    let events = app.audit(&format!("agentId={}&action=auth.failed", client.id)).await;
    assert!(events.iter().any(|event| event["reason"] == "dead_token"), "{events:?}");
}

fn rfc3339(seconds: i64) -> String {
    agentidp_core::domain::time::Timestamp::from_unix_seconds(seconds).to_string().replace(".000Z", "Z")
}

async fn a_biscuit_hands_out_no_rights(app: TestApp) {
    let (_, biscuit) = app.biscuit(&app.admin).await;
    let credentials = format!("/api/v1/agents/{}/credentials", app.admin.id);
    let register = app.call("POST", "/api/v1/agents").bearer(&biscuit).json(&new_agent("system", &["data:read"]));
    assert_eq!(register.send().await.failure(), "403 FORBIDDEN");
    assert_eq!(app.call("POST", &credentials).bearer(&biscuit).send().await.failure(), "403 FORBIDDEN");
    let list = app.call("GET", &credentials).bearer(&biscuit).send().await;
    let rotate = format!("{credentials}/{}/rotate", list.json["data"][0]["credentialId"].as_str().unwrap());
    assert_eq!(app.call("POST", &rotate).bearer(&biscuit).send().await.failure(), "403 FORBIDDEN");
    let agent = app.register("team-a", &["data:read"]).await;
    let path = format!("/api/v1/agents/{}", agent["agentId"].as_str().unwrap());
    let patch = async |body| app.call("PATCH", &path).bearer(&biscuit).json(&body).send().await.failure();
    assert_eq!(patch(json!({"capabilities": ["data:read", "data:write"]})).await, "403 FORBIDDEN");
    assert_eq!(patch(json!({"version": "2.0.0"})).await, "200 -");
}

async fn introspection_asks_the_checks(app: TestApp) {
    let (client, biscuit) = scene(&app).await;
    let scope = async |token: &str, more: &[(&str, &str)]| {
        let answer = app.asked_about(&client, token, more).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        if answer.json["active"] == true {
            answer.json["scope"].as_str().unwrap().to_owned()
        } else {
            assert_eq!(answer.json, json!({"active": false}));
            String::new()
        }
    };
    let files = "https://files.example";
    let bound = attenuate(&biscuit, "check if requested(\"data:read\"); check if resource(\"https://files.example\")");
    assert_eq!(scope(&bound, &[]).await, "", "nothing is said of a resource");
    assert_eq!(scope(&bound, &[("resource", &app.url)]).await, "");
    assert_eq!(scope(&bound, &[("resource", files)]).await, "data:read");
    let aimed = attenuate(&bound, "check if target(\"agent-7\")");
    assert_eq!(scope(&aimed, &[("resource", files)]).await, "");
    assert_eq!(scope(&aimed, &[("resource", files), ("target", "agent-7")]).await, "data:read");
    assert_eq!(scope(&aimed, &[("resource", files), ("target", "")]).await, "", "an empty parameter is none");
    let twice = app.asked_about(&client, &aimed, &[("resource", files), ("resource", &app.url)]).await;
    assert_eq!(twice.failure(), "400 invalid_request", "which of the two?");
    let operation = attenuate(&biscuit, "check if operation(\"introspectToken\")");
    assert_eq!(scope(&operation, &[]).await, "", "no operation is asked about");
    let other = app.client("team-b", &["tokens:read"]).await;
    assert_eq!(app.asked_about(&other, &biscuit, &[]).await.json, json!({"active": false}), "as with a JWT");
    let admin = app.admin_token().await;
    let call = app.call("POST", "/api/v1/token/introspect").bearer(&admin).form(&[("token", &biscuit)]);
    assert_eq!(call.send().await.json["sub"], json!(client.id));
}
