//! Clients that fail to authenticate, for whatever cause, cannot be told apart.

use crate::support::{Call, Client, TestApp, UNKNOWN};
use serde_json::{Value, json};

crate::on_both!(clients_that_fail_look_alike);

const FORM: &str = "application/x-www-form-urlencoded";
const ENDPOINTS: [&str; 3] = ["/api/v1/token", "/api/v1/token/introspect", "/api/v1/token/revoke"];

async fn clients_that_fail_look_alike(app: TestApp) {
    let admin = app.admin_token().await;
    let make = async || app.client("team-a", &["data:read"]).await;
    let change = async |method: &str, path: String, body: Value| {
        let answer = app.ask(&admin, method, &path, &body).await;
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
    };
    let (good, suspended, gone, revoked, rotated) =
        (make().await, make().await, make().await, make().await, make().await);
    let expiring = make().await;
    let soon = agentidp::wiring::system_time().after(std::time::Duration::from_millis(400));
    let soon = json!({"expiresAt": soon.to_string()});
    let expired = app.ask(&admin, "POST", &expiring.credentials(), &soon).await.json["clientSecret"].clone();
    let expired = Client { secret: expired.as_str().unwrap().to_owned(), ..expiring.clone() };
    change("PATCH", suspended.path(), json!({"status": "suspended"})).await;
    change("DELETE", gone.path(), Value::Null).await;
    change("DELETE", revoked.credential(), Value::Null).await;
    change("POST", format!("{}/rotate", rotated.credential()), json!({})).await;
    tokio::time::sleep(std::time::Duration::from_millis(450)).await;
    let of = |id: &str, secret: &str| Client { id: id.to_owned(), secret: secret.to_owned(), credential_id: None };
    let cases = [
        ("wrong secret", of(&good.id, "wrong")),
        ("unknown client", of(UNKNOWN, &good.secret)),
        ("another client's secret", of(&good.id, &suspended.secret)),
        ("one character less", of(&good.id, &good.secret[..good.secret.len() - 1])),
        ("one character other", of(&good.id, &good.secret.replacen("aidp_", "aidq_", 1))),
        ("upper-case secret", of(&good.id, &good.secret.to_uppercase())),
        ("white space", of(&good.id, &format!("{} ", good.secret))),
        ("suspended", suspended.clone()),
        ("suspended, wrong secret", of(&suspended.id, "wrong")),
        ("decommissioned", gone),
        ("revoked", revoked),
        ("expired", expired),
        ("rotated out", rotated),
        ("upper-case id", of(&good.id.to_uppercase(), &good.secret)),
        ("no hyphens", of(&good.id.replace('-', ""), &good.secret)),
        ("braces", of(&format!("{{{}}}", good.id), &good.secret)),
        ("space before the id", of(&format!(" {}", good.id), &good.secret)),
        ("NUL behind the id", of(&format!("{}\0", good.id), &good.secret)),
        ("full-width digit", of(&good.id.replacen('0', "\u{ff10}", 1), &good.secret)),
        ("no id at all", of("' or 1=1 --", &good.secret)),
        ("long id", of(&"a".repeat(4000), &good.secret)),
    ];
    let mut seen: [Vec<(String, String)>; 2] = [vec![], vec![]];
    for (what, client) in &cases {
        for path in ENDPOINTS {
            let form = |more: &[(&str, &str)]| -> Vec<(String, String)> {
                [("grant_type", "client_credentials"), ("token", "x")]
                    .iter()
                    .chain(more)
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect()
            };
            let body = |pairs: Vec<(String, String)>| {
                form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
            };
            let send = async |call: Call, body: String| call.body(FORM, body).send().await;
            // RFC 6749 encodes both parts before base64.
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let call = app.call("POST", path).basic(&encode(&client.id), &encode(&client.secret));
            let basic = send(call, body(form(&[]))).await;
            let pairs = form(&[("client_id", &client.id), ("client_secret", &client.secret)]);
            let posted = send(app.call("POST", path), body(pairs)).await;
            for (answer, seen) in [basic, posted].into_iter().zip(&mut seen) {
                assert_eq!(answer.failure(), "401 invalid_client", "{what} at {path}");
                seen.push((format!("{what} at {path}"), answer.seen()));
            }
        }
    }
    for seen in seen {
        for (what, text) in &seen {
            assert_eq!(text, &seen[0].1, "{what}");
        }
    }
    assert_eq!(app.token_answer(&good, &[]).await.status, 200);
    // The log of the owner tells them apart.
    let reasons: std::collections::BTreeSet<String> = app
        .audit("action=auth.failed&limit=100")
        .await
        .iter()
        .map(|event| event["reason"].as_str().unwrap().to_owned())
        .collect();
    for reason in [
        "agent_decommissioned",
        "agent_suspended",
        "bad_secret",
        "credential_expired",
        "credential_revoked",
        "malformed_secret",
        "unknown_client",
        "unknown_credential",
    ] {
        assert!(reasons.contains(reason), "{reason} is not among {reasons:?}");
    }
}
