//! A JWT becomes a Biscuit (RFC 8693), or not.

use crate::support::{Client, Database, TestApp, attenuate, exchange_form};
use serde_json::json;

crate::on_both!(
    a_jwt_becomes_a_biscuit,
    an_exchange_that_is_none_is_refused,
    scopes_and_resources_stay_within_the_parent,
    a_biscuit_lives_no_longer_than_its_parent,
    metadata_and_keys_say_it,
);

async fn client(app: &TestApp) -> Client {
    app.client("team-a", &["agents:read", "tokens:read", "data:read", "data:write"]).await
}

async fn a_jwt_becomes_a_biscuit(app: TestApp) {
    let client = client(&app).await;
    let jwt = app.token(&client, None).await;
    let answer = app.grant(&client, &exchange_form(&jwt, &[("scope", "data:read agents:read")])).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut members: Vec<_> = answer.json.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["access_token", "expires_in", "issued_token_type", "scope", "token_type"]);
    assert_eq!(answer.json["issued_token_type"], "urn:agentidp:params:oauth:token-type:biscuit");
    assert_eq!(
        (&answer.json["token_type"], &answer.json["scope"]),
        (&json!("Bearer"), &json!("agents:read data:read"))
    );
    assert!((3590..=3600).contains(&answer.json["expires_in"].as_i64().unwrap()));
    assert_eq!(answer.header("cache-control"), "no-store");

    let token = answer.json["access_token"].as_str().unwrap();
    assert_eq!(app.got(token, &format!("/api/v1/agents/{}", client.id)).await, "200 -");
    let parent = app.asked_about(&client, &jwt, &[]).await.json;
    let found = app.asked_about(&client, token, &[]).await.json;
    for same in ["sub", "client_id", "aud", "iss", "owner", "exp", "token_type", "active"] {
        assert_eq!(found[same], parent[same], "{same}");
    }
    assert_ne!(found["jti"], parent["jti"]);
    assert_eq!(found["scope"], "agents:read data:read");

    let events = app.audit(&format!("agentId={}&action=token.exchanged", client.id)).await;
    let metadata = &events[0]["metadata"];
    assert_eq!((events.len(), &metadata["tokenId"], &metadata["parentId"]), (1, &found["jti"], &parent["jti"]));
    assert_eq!((&metadata["scope"], &metadata["audience"]), (&found["scope"], &json!([app.url])));
    assert!(events[0]["policyHash"].is_string() && metadata["expiresAt"].is_string());
    assert!(!events[0].to_string().contains(token));
    let metrics = app.call("GET", "/metrics").send().await.text;
    let issued = metrics.lines().find(|line| line.starts_with("agentidp_tokens_issued_total{outcome=\"success\"}"));
    let counted: f64 = issued.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    let tokens = app.audit("action=token.issued&limit=100").await.len();
    assert!(counted >= tokens as f64, "{counted} for {tokens} and one Biscuit");
}

async fn an_exchange_that_is_none_is_refused(app: TestApp) {
    let client = client(&app).await;
    let other = app.client("team-a", &["data:read"]).await;
    let (jwt, biscuit) = app.biscuit(&client).await;
    let (foreign, dead) = (app.token(&other, None).await, app.token(&client, None).await);
    let revoke = app.call("POST", "/api/v1/token/revoke").basic(&client.id, &client.secret);
    assert_eq!(revoke.form(&[("token", &dead)]).send().await.status, 200);
    let with = |name: &'static str, value: &'static str| {
        let mut form = exchange_form(&jwt, &[]);
        form.retain(|(known, _)| *known != name);
        form.push((name, value));
        form
    };
    let access_token = "urn:ietf:params:oauth:token-type:access_token";
    for (what, form) in [
        ("no subject", with("subject_token", "")),
        ("no type", with("subject_token_type", "")),
        ("another type", with("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")),
        ("no requested type", with("requested_token_type", "")),
        ("another requested type", with("requested_token_type", access_token)),
        ("an actor", with("actor_token", "x")),
        ("the type of an actor", with("actor_token_type", access_token)),
        ("junk", with("subject_token", "a.b.c")),
        ("another client's", exchange_form(&foreign, &[])),
        ("a dead one", exchange_form(&dead, &[])),
        ("a Biscuit", exchange_form(&biscuit, &[])),
        ("a subject given twice", [exchange_form(&jwt, &[]), vec![("subject_token", jwt.as_str())]].concat()),
        ("a scope given twice", exchange_form(&jwt, &[("scope", "data:read"), ("scope", "data:read")])),
    ] {
        let answer = app.grant(&client, &form).await;
        assert_eq!(answer.failure(), "400 invalid_request", "{what}: {answer:?}");
        assert!(!answer.text.contains(&jwt), "{what}");
    }
    assert_eq!(app.grant(&client, &with("actor_token", "")).await.status, 200, "an empty parameter is none");
    assert_eq!(app.grant(&client, &with("unknown", "x")).await.status, 200);
    let wrong = Client { secret: other.secret.clone(), ..client.clone() };
    assert_eq!(app.grant(&wrong, &exchange_form(&jwt, &[])).await.failure(), "401 invalid_client");
    let bearer = app.call("POST", "/api/v1/token").bearer(&jwt).form(&exchange_form(&jwt, &[])).send().await;
    assert_eq!(bearer.failure(), "401 invalid_client", "a token is no client authentication");
    let answer = app.grant(&client, &[("grant_type", "password")]).await;
    assert_eq!(answer.failure(), "400 unsupported_grant_type");
    let told = answer.json["error_description"].as_str().unwrap();
    assert!(told.contains("client_credentials") && told.contains("token-exchange"), "{told}");
}

async fn scopes_and_resources_stay_within_the_parent(app: TestApp) {
    let client = client(&app).await;
    let narrow = app.token(&client, Some("data:read agents:read")).await;
    let ask = async |jwt: &str, more: &[(&str, &str)]| app.grant(&client, &exchange_form(jwt, more)).await;
    assert_eq!(ask(&narrow, &[]).await.json["scope"], "agents:read data:read");
    for scope in ["data:write", "data:read data:write", "admin:all", "x"] {
        assert_eq!(ask(&narrow, &[("scope", scope)]).await.failure(), "400 invalid_scope", "{scope}");
    }
    let denials = app.audit(&format!("agentId={}&action=authz.denied", client.id)).await;
    assert!(denials.iter().any(|event| event["reason"] == "scope_withheld"), "{denials:?}");

    let own = app.url.as_str();
    for (resources, expected) in [
        (vec![own], "200 -"),
        (vec![own, own], "200 -"),
        (vec!["https://files.example"], "400 invalid_target"),
        (vec![own, "https://files.example"], "400 invalid_target"),
        (vec!["no uri"], "400 invalid_target"),
    ] {
        let more: Vec<_> = resources.iter().map(|resource| ("resource", *resource)).collect();
        assert_eq!(ask(&narrow, &more).await.failure(), expected, "{resources:?}");
    }
    let form = [("resource", "https://files.example"), ("resource", "https://mail.example")];
    let elsewhere = app.token_answer(&client, &form).await.json["access_token"].as_str().unwrap().to_owned();
    let answer = ask(&elsewhere, &[form[1], form[0]]).await;
    let token = answer.json["access_token"].as_str().unwrap();
    assert_eq!(app.got(token, "/api/v1/agents").await, "401 UNAUTHORIZED", "it is for others");
    let found = app.asked_about(&client, token, &[]).await.json;
    assert_eq!(found["aud"], json!(["https://files.example", "https://mail.example"]));
    assert_eq!(ask(&elsewhere, &form[..1]).await.failure(), "400 invalid_target", "less is another audience");
}

async fn a_biscuit_lives_no_longer_than_its_parent(app: TestApp) {
    let client = client(&app).await;
    let (jwt, biscuit) = app.biscuit(&client).await;
    let end = app.asked_about(&client, &jwt, &[]).await.json["exp"].clone();
    for token in [&biscuit, &attenuate(&biscuit, "expires(2099-01-01T00:00:00Z)")] {
        assert_eq!(app.asked_about(&client, token, &[]).await.json["exp"], end);
    }
}

async fn metadata_and_keys_say_it(app: TestApp) {
    let metadata = app.call("GET", "/.well-known/oauth-authorization-server").send().await.json;
    let grants = json!(["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]);
    assert_eq!(metadata["grant_types_supported"], grants);
    let answer = app.call("GET", "/.well-known/biscuit-keys").send().await;
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let keys = answer.json["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let mut members: Vec<_> = keys[0].as_object().unwrap().keys().collect();
    members.sort_unstable();
    assert_eq!(members, ["algorithm", "keyId", "publicKey"]);
    let id = keys[0]["keyId"].as_u64().unwrap().to_string();
    let set = app.call("GET", "/.well-known/jwks.json").send().await;
    assert!(set.json["keys"].as_array().unwrap().iter().all(|key| key["kid"] != json!(id) && key["alg"] == "ES256"));
}

/// The quota of tokens counts both kinds.
async fn quota(database: Database) {
    let app = TestApp::start_with(database, &[("MAX_TOKENS_PER_CLIENT_PER_MONTH", "2")]).await;
    let client = app.admin.clone();
    let jwt = app.token(&client, None).await;
    let statuses =
        [app.grant(&client, &exchange_form(&jwt, &[])).await, app.grant(&client, &exchange_form(&jwt, &[])).await];
    assert_eq!(statuses.map(|answer| answer.failure()), ["200 -", "403 quota_exceeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_counts_exchanges_on_sqlite() {
    quota(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_counts_exchanges_on_postgres() {
    quota(Database::Postgres).await;
}
