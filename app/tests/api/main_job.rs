//! Register → credential → token → verify → introspect → revoke → audit.

use crate::support::TestApp;
use serde_json::json;

crate::on_all!(an_agent_lives_from_registration_to_the_end);

async fn an_agent_lives_from_registration_to_the_end(app: TestApp) {
    let client = app.client("team-a", &["data:read", "data:write", "tokens:read"]).await;
    let issued = app.token_answer(&client, &[("scope", "data:read")]).await;
    assert_eq!((issued.status, &issued.json["scope"]), (200, &json!("data:read")));
    assert_eq!(issued.json["token_type"], "Bearer");
    assert_eq!(issued.json["expires_in"], 3600);
    assert_eq!(issued.header("cache-control"), "no-store");
    let token = issued.json["access_token"].as_str().unwrap();

    let introspect =
        || app.call("POST", "/api/v1/token/introspect").basic(&client.id, &client.secret).form(&[("token", token)]);
    let known = introspect().send().await;
    assert_eq!(known.json["active"], true);
    assert_eq!((&known.json["client_id"], &known.json["owner"]), (&json!(client.id), &json!("team-a")));

    let revoke = app.call("POST", "/api/v1/token/revoke").basic(&client.id, &client.secret).form(&[("token", token)]);
    assert_eq!(revoke.send().await.status, 200);
    assert_eq!(introspect().send().await.json, json!({"active": false}));

    let admin = app.admin_token().await;
    let path = format!("/api/v1/agents/{}", client.id);
    let gone = app.call("DELETE", &path).bearer(&admin).send().await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    assert_eq!(app.token_answer(&client, &[]).await.failure(), "401 invalid_client");
    let again = app.call("DELETE", &path).bearer(&admin).send().await;
    assert_eq!(again.failure(), "409 AGENT_ALREADY_DECOMMISSIONED");

    let actions: Vec<String> = app
        .audit(&format!("agentId={}", client.id))
        .await
        .iter()
        .map(|event| event["action"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "auth.failed",
        "agent.decommissioned",
        "token.introspected",
        "token.revoked",
        "token.introspected",
        "token.issued",
        "credential.generated",
        "agent.created",
    ];
    assert_eq!(actions, expected);
}
