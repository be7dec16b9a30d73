//! What ends a Biscuit.

use crate::support::{Client, TestApp, attenuate};
use agentidp_core::domain::key::KeyUse;
use serde_json::json;

crate::on_both!(
    a_revoked_biscuit_takes_its_children_along,
    a_revoked_jwt_takes_its_biscuits_along,
    what_voids_a_jwt_voids_a_biscuit,
    a_revoked_root_key_voids_its_biscuits,
    a_rotated_root_key_voids_nothing,
    someone_elses_biscuit_stays_alive,
    a_database_that_is_away_is_no_refusal,
);

const READS: &str = "/api/v1/agents";

async fn scene(app: &TestApp) -> (Client, String, String) {
    let client = app.client("team-a", &["agents:read", "data:read"]).await;
    let (jwt, biscuit) = app.biscuit(&client).await;
    (client, jwt, biscuit)
}

async fn revoke(app: &TestApp, client: &Client, token: &str) -> String {
    let call = app.call("POST", "/api/v1/token/revoke").basic(&client.id, &client.secret);
    call.form(&[("token", token)]).send().await.failure()
}

async fn lives(app: &TestApp, token: &str) -> bool {
    match app.got(token, READS).await.as_str() {
        "200 -" => true,
        "401 UNAUTHORIZED" => false,
        other => panic!("{other}"),
    }
}

async fn a_revoked_biscuit_takes_its_children_along(app: TestApp) {
    let (client, jwt, biscuit) = scene(&app).await;
    let child = attenuate(&biscuit, "check if operation(\"listAgents\")");
    let sibling = attenuate(&biscuit, "check if operation(\"listAgents\")");
    let grandchild = attenuate(&child, "check if requested(\"agents:read\")");
    assert_eq!(revoke(&app, &client, &child).await, "200 -");
    assert!(!lives(&app, &child).await && !lives(&app, &grandchild).await);
    assert_eq!(app.asked_about(&client, &grandchild, &[]).await.json, json!({"active": false}));
    assert!(lives(&app, &sibling).await && lives(&app, &biscuit).await && lives(&app, &jwt).await);
    assert_eq!(revoke(&app, &client, &child).await, "200 -", "again");
    let events = app.audit(&format!("agentId={}&action=token.revoked", client.id)).await;
    let id = app.asked_about(&client, &biscuit, &[]).await.json["jti"].clone();
    assert_eq!((events.len(), &events[0]["metadata"]["tokenId"]), (1, &id));

    assert_eq!(revoke(&app, &client, &biscuit).await, "200 -");
    assert!(!lives(&app, &biscuit).await && !lives(&app, &sibling).await);
    assert!(lives(&app, &jwt).await);
}

async fn a_revoked_jwt_takes_its_biscuits_along(app: TestApp) {
    let (client, jwt, biscuit) = scene(&app).await;
    let (child, other) = (attenuate(&biscuit, "check if true"), app.biscuit(&client).await.1);
    assert_eq!(revoke(&app, &client, &jwt).await, "200 -");
    for token in [&jwt, &biscuit, &child] {
        assert!(!lives(&app, token).await);
    }
    assert!(lives(&app, &other).await, "it was made from another one");
}

async fn what_voids_a_jwt_voids_a_biscuit(app: TestApp) {
    let admin = app.admin_token().await;
    for (what, method, path, body) in [
        ("suspension", "PATCH", "", json!({"status": "suspended"})),
        ("a lost capability", "PATCH", "", json!({"capabilities": ["agents:read"]})),
        ("a revoked credential", "DELETE", "/credentials/{credential}", json!({})),
        ("a leaked secret", "POST", "/credentials/{credential}/rotate", json!({"voidTokens": true})),
        ("the end of the agent", "DELETE", "", json!({})),
    ] {
        let (client, _, biscuit) = scene(&app).await;
        let child = attenuate(&biscuit, "check if requested($s)");
        assert!(lives(&app, &biscuit).await && lives(&app, &child).await, "{what}");
        let path = path.replace("{credential}", client.credential_id.as_deref().unwrap());
        let call = app.call(method, &format!("/api/v1/agents/{}{path}", client.id)).bearer(&admin);
        let call = if method == "DELETE" { call } else { call.json(&body) };
        let answer = call.send().await;
        assert!(answer.status < 300, "{what}: {answer:?}");
        assert!(!lives(&app, &biscuit).await && !lives(&app, &child).await, "{what}");
        if what == "suspension" {
            let back = app.call("PATCH", &format!("/api/v1/agents/{}", client.id)).bearer(&admin);
            assert_eq!(back.json(&json!({"status": "active"})).send().await.status, 200);
            assert!(!lives(&app, &biscuit).await, "reactivation brings nothing back");
        }
    }
}

async fn a_revoked_root_key_voids_its_biscuits(app: TestApp) {
    let (client, jwt, biscuit) = scene(&app).await;
    let set = app.call("GET", "/.well-known/biscuit-keys").send().await.json;
    let id = set["keys"][0]["keyId"].to_string();
    app.key_service().await.revoke(&id).await.unwrap().replacement.expect("it was the only one");
    app.refresh_keys().await;
    assert!(!lives(&app, &biscuit).await);
    assert!(lives(&app, &jwt).await, "keys of JWTs are others");
    assert!(lives(&app, &app.biscuit(&client).await.1).await);
    let now = app.call("GET", "/.well-known/biscuit-keys").send().await.json;
    assert!(now["keys"].as_array().unwrap().len() == 1 && now["keys"][0] != set["keys"][0], "{now}");
}

async fn a_rotated_root_key_voids_nothing(app: TestApp) {
    let (client, _, biscuit) = scene(&app).await;
    let new = app.key_service().await.rotate(KeyUse::Biscuit).await.unwrap();
    app.refresh_keys().await;
    let set = app.call("GET", "/.well-known/biscuit-keys").send().await.json;
    assert_eq!(set["keys"].as_array().unwrap().len(), 2);
    assert_eq!(set["keys"][0]["keyId"].to_string(), new.kid, "newest first, before it signs");
    assert!(lives(&app, &biscuit).await && lives(&app, &app.biscuit(&client).await.1).await);
}

async fn someone_elses_biscuit_stays_alive(app: TestApp) {
    let (_, _, biscuit) = scene(&app).await;
    let other = app.client("team-b", &["agents:read", "tokens:write"]).await;
    assert_eq!(revoke(&app, &other, &biscuit).await, "400 unauthorized_client");
    assert!(lives(&app, &biscuit).await);
}

async fn a_database_that_is_away_is_no_refusal(app: TestApp) {
    let (_, _, biscuit) = scene(&app).await;
    app.execute("ALTER TABLE token_revocations RENAME TO gone");
    assert_eq!(app.got(&biscuit, READS).await, "503 SERVICE_UNAVAILABLE");
    app.execute("ALTER TABLE gone RENAME TO token_revocations");
    assert!(lives(&app, &biscuit).await);
}
