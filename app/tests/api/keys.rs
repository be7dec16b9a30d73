//! Signing keys that are replaced and revoked while two servers run.

use crate::support::{Database, TestApp};
use agentidp_core::domain::key::KeyUse;
use serde_json::{Value, json};

const ISSUER: (&str, &str) = ("ISSUER", "http://127.0.0.1:9");

async fn two(database: Database) -> [TestApp; 2] {
    let app = TestApp::start_with(database, &[ISSUER]).await;
    let other = app.replica().await;
    [app, other]
}

async fn kids(app: &TestApp) -> Vec<String> {
    let set = app.call("GET", "/.well-known/jwks.json").send().await;
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    set.json["keys"].as_array().unwrap().iter().map(kid).collect()
}

async fn status(app: &TestApp, token: &str) -> u16 {
    app.call("GET", "/api/v1/agents").bearer(token).send().await.status
}

async fn refresh(apps: &[TestApp]) {
    for app in apps {
        app.refresh_keys().await;
    }
}

async fn a_new_key_is_in_every_key_set_before_it_signs(apps: [TestApp; 2]) {
    let old = kids(&apps[0]).await;
    let token = apps[0].admin_token().await;
    let new = apps[0].key_service().await.rotate(KeyUse::Jwt).await.unwrap();
    refresh(&apps).await;
    for app in &apps {
        assert_eq!(kids(app).await, [new.kid.clone(), old[0].clone()]);
        assert_eq!(status(app, &token).await, 200, "a token of the old key");
        let fresh = app.admin_token().await;
        for other in &apps {
            assert_eq!(status(other, &fresh).await, 200, "a token of now");
        }
    }
    let events = apps[1].audit("action=key.rotated").await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((&events[0]["metadata"]["kid"], &events[0]["agentId"]), (&json!(new.kid), &Value::Null));
}

async fn a_revoked_key_voids_its_tokens_everywhere(apps: [TestApp; 2]) {
    let old = kids(&apps[0]).await.remove(0);
    let token = apps[0].admin_token().await;
    let done = apps[0].key_service().await.revoke(&old).await.unwrap();
    let spare = done.replacement.unwrap().kid;
    refresh(&apps).await;
    for app in &apps {
        assert_eq!(kids(app).await, std::slice::from_ref(&spare));
        assert_eq!(status(app, &token).await, 401);
        assert_eq!(status(app, &app.admin_token().await).await, 200);
    }
    let events = apps[0].audit("action=key.revoked").await;
    assert_eq!((events.len(), &events[0]["metadata"]["kid"]), (1, &json!(old)));
    assert_eq!(apps[0].audit("action=key.rotated").await.len(), 1);
}

macro_rules! on_two {
    ($($name:ident),+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::two(crate::support::Database::Sqlite).await).await; })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::two(crate::support::Database::Postgres).await).await; })+
        }
    };
}
on_two!(a_new_key_is_in_every_key_set_before_it_signs, a_revoked_key_voids_its_tokens_everywhere);
