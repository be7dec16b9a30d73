//! Tokens that the server did not make, or not for this. The large corpus is beside the adapter; here are the doors.

use crate::support::{Client, Forger, TestApp, base64};
use aws_lc_rs::hmac;
use serde_json::{Value, json};

crate::on_both!(a_forged_token_opens_no_door, a_token_for_another_resource_is_its_owners_alone);

struct Doors<'a> {
    app: &'a TestApp,
    client: &'a Client,
}

impl Doors<'_> {
    async fn api(&self, token: &str) -> String {
        let answer = self.app.ask(token, "GET", &self.client.path(), &Value::Null).await;
        if answer.status == 401 {
            assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="agentidp", error="invalid_token""#);
        }
        answer.failure()
    }

    async fn bearer(&self, token: &str, path: &str) -> String {
        let call = self.app.call("POST", &format!("/api/v1/token/{path}")).bearer(token);
        call.form(&[("token", "x")]).send().await.failure()
    }

    async fn asked_about(&self, token: &str) -> Value {
        let call = self.app.call("POST", "/api/v1/token/introspect").basic(&self.client.id, &self.client.secret);
        let answer = call.form(&[("token", token)]).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json
    }

    async fn taken_back(&self, token: &str) -> u16 {
        let call = self.app.call("POST", "/api/v1/token/revoke").basic(&self.client.id, &self.client.secret);
        call.form(&[("token", token)]).send().await.status
    }

    async fn closed(&self, token: &str, what: &str) {
        assert_eq!(self.api(token).await, "401 UNAUTHORIZED", "{what}");
        for path in ["introspect", "revoke"] {
            assert_eq!(self.bearer(token, path).await, "401 invalid_token", "{what}: {path}");
        }
        assert_eq!(self.asked_about(token).await, json!({"active": false}), "{what}");
        assert_eq!(self.taken_back(token).await, 200, "{what}");
    }
}

async fn a_forged_token_opens_no_door(app: TestApp) {
    let client = app.client("team-a", &["agents:read", "tokens:read", "data:read"]).await;
    let token = app.token(&client, None).await;
    let doors = Doors { app: &app, client: &client };
    let forger = Forger::new(&app, &token).await;
    let (header, claims) = (forger.header.to_string(), forger.claims.to_string());
    // The forger can make a good token: each refusal below has but one reason.
    let again = forger.with("jti", json!(uuid::Uuid::new_v4().to_string()));
    assert_eq!(doors.api(&again).await, "200 -");
    assert_eq!(doors.asked_about(&again).await["active"], true);

    let named = |name: &str, value: Value| {
        let mut header = forger.header.clone();
        header[name] = value;
        header.to_string()
    };
    let without = |name: &str| {
        let mut claims = forger.claims.clone();
        claims.as_object_mut().unwrap().remove(name).unwrap();
        forger.sign(&header, &claims.to_string())
    };
    let key_set = app.call("GET", "/.well-known/jwks.json").send().await;
    let hmac = |key: &[u8]| {
        let message = format!("{}.{}", base64(named("alg", json!("HS256"))), base64(&claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes());
        format!("{message}.{}", base64(tag))
    };
    let key = &key_set.json["keys"][0];
    let none = |alg: &str| format!("{}.{}.", base64(named("alg", json!(alg))), base64(&claims));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let now = forger.claims["iat"].as_i64().unwrap();
    let end = forger.claims["exp"].clone();
    let mut forged = vec![
        ("alg none", none("none")),
        ("alg NONE", none("NONE")),
        ("alg none with the signature", format!("{}{signature}", none("none"))),
        ("HS256 with the key set", hmac(key_set.text.as_bytes())),
        ("HS256 with the key", hmac(key.to_string().as_bytes())),
        ("HS256 with x", hmac(key["x"].as_str().unwrap().as_bytes())),
        ("HS256 with kid", hmac(key["kid"].as_str().unwrap().as_bytes())),
        ("HS256 with nothing", hmac(b"")),
        ("a foreign key under our kid", Forger::foreign(&header, &claims)),
        ("a foreign key in the header", Forger::foreign(&named("jwk", key.clone()), &claims)),
        ("a foreign kid", forger.sign(&named("kid", json!("../../dev/null")), &claims)),
        ("typ JWT", forger.sign(&named("typ", json!("JWT")), &claims)),
        ("typ at+JWT twice", forger.sign(&named("typ", json!(["at+jwt"])), &claims)),
        ("crit", forger.sign(&named("crit", json!(["exp"])), &claims)),
        ("jku", forger.sign(&named("jku", json!("https://evil.example/keys")), &claims)),
        ("exp as a string", forger.with("exp", json!(end.to_string()))),
        ("exp as a fraction", forger.with("exp", json!(end.as_f64().unwrap() + 0.5))),
        ("exp as a list", forger.with("exp", json!([end]))),
        ("exp null", forger.with("exp", Value::Null)),
        ("exp passed", forger.with("exp", json!(now))),
        ("nbf ahead", forger.with("nbf", json!(now + 600))),
        ("nbf as a string", forger.with("nbf", json!(now.to_string()))),
        ("another issuer", forger.with("iss", json!("https://evil.example"))),
        ("the issuer with a slash", forger.with("iss", json!(format!("{}/", app.url)))),
        ("another agent", forger.with("sub", json!(app.admin.id))),
        ("another client", forger.with("client_id", json!(app.admin.id))),
        ("another credential", forger.with("cred", json!(uuid::Uuid::new_v4().to_string()))),
        ("a later generation", forger.with("gen", json!(1))),
        ("an earlier generation", forger.with("gen", json!(-1))),
        ("a generation as a string", forger.with("gen", json!("0"))),
        ("scopes as a list", forger.with("scope", json!(["agents:read"]))),
        ("a wildcard as scope", forger.with("scope", json!("agents:*"))),
        ("claims as a list", forger.sign(&header, &format!("[{claims}]"))),
        ("a claim twice", forger.sign(&header, &claims.replacen('{', "{\"scope\":\"admin:all\",", 1))),
        ("no signature", format!("{signed}.")),
        ("two parts", signed.to_owned()),
        ("four parts", format!("{token}.{signature}")),
        ("padding", format!("{token}=")),
        ("a byte more", format!("{token}A")),
        ("a space before a part", token.replacen('.', ". ", 1)),
        ("the signature of another token", format!("{signed}.{}", again.rsplit_once('.').unwrap().1)),
        ("JSON serialization", json!({"payload": base64(&claims), "signature": signature}).to_string()),
        ("a secret", client.secret.clone()),
    ];
    for name in ["iss", "sub", "client_id", "aud", "iat", "nbf", "exp", "jti", "scope", "cred", "gen"] {
        forged.push((name, without(name)));
    }
    for length in [1, 10, 43, 85] {
        forged.push(("truncated", token[..token.len() - length].to_owned()));
    }
    // The other three spellings of the last two bits, and base64 of another alphabet.
    let last = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for other in last.iter().map(|byte| char::from(*byte)) {
        let spelt = format!("{}{other}", &token[..token.len() - 1]);
        if spelt != token && forged.len() < 70 {
            forged.push(("another last character", spelt));
        }
    }
    forged.push(("standard alphabet", token.replace('-', "+").replace('_', "/")));
    for (what, text) in forged {
        if text != token {
            doors.closed(&text, what).await;
        }
    }
    assert_eq!(doors.api(&token).await, "200 -");

    // Revocation goes by the id in the token, whatever the bytes around it.
    let twin = forger.sign(&header, &claims);
    assert_eq!(doors.api(&twin).await, "200 -");
    assert_eq!(doors.taken_back(&twin).await, 200);
    doors.closed(&token, "revoked").await;
    doors.closed(&twin, "revoked").await;
    assert_eq!(doors.api(&again).await, "200 -");
}

async fn a_token_for_another_resource_is_its_owners_alone(app: TestApp) {
    let client = app.client("team-a", &["agents:read", "tokens:read", "data:read"]).await;
    let other = app.client("team-b", &["tokens:read"]).await;
    let own = Doors { app: &app, client: &client };
    let stranger = Doors { app: &app, client: &other };
    for resource in ["https://data.example/api", "urn:x:y", &format!("{}/", app.url), &format!("{}/api/v1", app.url)] {
        let issued = app.token_answer(&client, &[("resource", resource)]).await;
        let token = issued.json["access_token"].as_str().unwrap();
        assert_eq!(own.api(token).await, "401 UNAUTHORIZED", "{resource}");
        assert_eq!(own.bearer(token, "introspect").await, "401 invalid_token", "{resource}");
        assert_eq!(own.bearer(token, "revoke").await, "401 invalid_token", "{resource}");
        let seen = own.asked_about(token).await;
        assert_eq!((&seen["active"], &seen["aud"]), (&json!(true), &json!(resource)));
        assert_eq!(stranger.asked_about(token).await, json!({"active": false}));
        assert_eq!(stranger.taken_back(token).await, 400, "{resource}");
        assert_eq!(own.asked_about(token).await["active"], true, "{resource}: it is still alive");
        assert_eq!(own.taken_back(token).await, 200, "{resource}");
        assert_eq!(own.asked_about(token).await, json!({"active": false}), "{resource}");
    }
}
