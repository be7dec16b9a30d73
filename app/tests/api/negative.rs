//! The OAuth endpoints against requests that are wrong, and some that only look so.

use crate::support::{Answer, Client, Database, TestApp, UNKNOWN};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

const FORM: &str = "application/x-www-form-urlencoded";
const ENDPOINTS: [&str; 3] = ["/api/v1/token", "/api/v1/token/introspect", "/api/v1/token/revoke"];

async fn start() -> (TestApp, Client) {
    let app = TestApp::start(Database::Sqlite).await;
    let client = app.client("team-a", &["data:read", "mail:*", "tokens:read"]).await;
    (app, client)
}

/// A failure at an OAuth endpoint has this form and no other.
fn oauth_form(answer: &Answer, what: &str) {
    let members: Vec<&String> =
        answer.json.as_object().unwrap_or_else(|| panic!("{what}: {answer:?}")).keys().collect();
    assert_eq!(members, ["error", "error_description"], "{what}");
    let text = answer.json["error_description"].as_str().unwrap();
    assert!(text.chars().all(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')), "{what}: {text}");
    assert!(!text.contains("aidp_"), "{what}: {text}");
    assert_eq!(answer.header("content-type"), "application/json", "{what}");
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
}

#[tokio::test]
async fn forms_are_read_strictly_and_unknown_parameters_ignored() {
    let (app, client) = start().await;
    let grant = "grant_type=client_credentials";
    let issuer = form_urlencoded::byte_serialize(app.url.as_bytes()).collect::<String>();
    let many = |count: usize| format!("{grant}{}", "&resource=https://x.example/a".repeat(count));
    let different = (0..9).map(|index| format!("&resource=urn:{index}:x")).collect::<String>();
    let cases: Vec<(Vec<u8>, &str)> = [
        ("", "400 invalid_request"),
        ("&&&", "400 invalid_request"),
        ("grant_type=", "400 invalid_request"),
        ("grant_type", "400 invalid_request"),
        ("{\"grant_type\":\"client_credentials\"}", "400 invalid_request"),
        ("grant_type=%", "400 invalid_request"),
        ("grant_type=%4", "400 invalid_request"),
        ("grant_type=%zz", "400 invalid_request"),
        ("grant_type=%+1", "400 invalid_request"),
        ("grant_type=client_credentials%ff", "400 invalid_request"),
        ("grant_type=client_credentials&x=%C0%80", "400 invalid_request"),
        ("grant_type=client_credentials&%ff=1", "400 invalid_request"),
        ("grant_type=client_credentials&grant_type=client_credentials", "400 invalid_request"),
        ("grant_type=client_credentials&grant%5Ftype=password", "400 invalid_request"),
        ("grant_type=client_credentials&scope=data:read&scope=data:read", "400 invalid_request"),
        ("grant_type=client_credentials&scope=&scope=data:read", "400 invalid_request"),
        ("grant_type=client_credentials&x=1&x=2", "400 invalid_request"),
        ("grant_type=password", "400 unsupported_grant_type"),
        ("grant_type=authorization_code", "400 unsupported_grant_type"),
        ("grant_type=CLIENT_CREDENTIALS", "400 unsupported_grant_type"),
        ("grant_type=client_credentials%20", "400 unsupported_grant_type"),
        ("grant_type=client_credentials%00", "400 unsupported_grant_type"),
        ("grant_type=client_credentials&scope=*", "400 invalid_scope"),
        ("grant_type=client_credentials&scope=data:*", "400 invalid_scope"),
        ("grant_type=client_credentials&scope=mail:*", "400 invalid_scope"),
        ("grant_type=client_credentials&scope=data:read+*", "400 invalid_scope"),
        ("grant_type=client_credentials&scope=data:read+data:write", "400 invalid_scope"),
        ("grant_type=client_credentials&scope=data:read+agents:read", "400 invalid_scope"),
        ("grant_type=client_credentials&scope=admin:all", "400 invalid_scope"),
        ("grant_type=client_credentials&scope=unheard:of", "400 invalid_scope"),
        ("grant_type=client_credentials&scope=DATA:READ", "400 invalid_scope"),
        ("grant_type=client_credentials&scope=+data:read", "400 invalid_scope"),
        ("grant_type=client_credentials&scope=data:read++tokens:read", "400 invalid_scope"),
        ("grant_type=client_credentials&scope=data:read%09tokens:read", "400 invalid_scope"),
        ("grant_type=client_credentials&scope=data:read%0A", "400 invalid_scope"),
        ("grant_type=client_credentials&scope=data%3Aread%E2%80%A8", "400 invalid_scope"),
        ("grant_type=client_credentials&scope=data:read:x", "400 invalid_scope"),
        ("grant_type=client_credentials&resource=/relative", "400 invalid_target"),
        ("grant_type=client_credentials&resource=x.example", "400 invalid_target"),
        ("grant_type=client_credentials&resource=https://x.example/%23a", "400 invalid_target"),
        ("grant_type=client_credentials&resource=https://x.example/%23", "400 invalid_target"),
        ("grant_type=client_credentials&resource=+https://x.example/a", "400 invalid_target"),
        ("grant_type=client_credentials&resource=https://x.example/a+b", "400 invalid_target"),
        ("grant_type=client_credentials&resource=https://x.example/a%09", "400 invalid_target"),
        ("grant_type=client_credentials&resource=urn:x:y&resource=x", "400 invalid_target"),
        ("grant_type=client_credentials&resource=urn:x:y&resource=", "200 -"),
        ("grant_type=client_credentials", "200 -"),
        ("&grant_type=client_credentials&&", "200 -"),
        ("grant%5ftype=client%5Fcredentials", "200 -"),
        ("grant_type=client_credentials&scope=", "200 -"),
        ("grant_type=client_credentials&scope", "200 -"),
        ("grant_type=client_credentials&resource=", "200 -"),
        ("grant_type=client_credentials&client_id=&client_secret=", "200 -"),
        ("grant_type=client_credentials&unknown=x&a%20b=%00", "200 -"),
        ("grant_type=client_credentials&scope=data:read+data:read", "200 -"),
        ("grant_type=client_credentials&scope=mail:send+mail:read", "200 -"),
        ("grant_type=client_credentials&resource=urn:x:y&resource=https://x.example", "200 -"),
    ]
    .into_iter()
    .map(|(body, expected)| (body.as_bytes().to_vec(), expected))
    .chain([
        (b"grant_type=client_credentials&x=\xff".to_vec(), "400 invalid_request"),
        (format!("{grant}&resource={issuer}&resource=urn:x:y").into_bytes(), "400 invalid_target"),
        (format!("{grant}&resource=urn:x:y&resource={issuer}").into_bytes(), "400 invalid_target"),
        (format!("{grant}&resource={issuer}&resource={issuer}").into_bytes(), "200 -"),
        (format!("{grant}{different}").into_bytes(), "400 invalid_target"),
        (many(9).into_bytes(), "400 invalid_target"),
        (format!("{grant}{}", "&resource=".repeat(9)).into_bytes(), "400 invalid_target"),
        (format!("{grant}&resource=https://x.example/{}", "a".repeat(300)).into_bytes(), "400 invalid_target"),
        (format!("{grant}&scope={}x:y", "a:b+".repeat(10_000)).into_bytes(), "400 invalid_scope"),
    ])
    .collect();
    for (body, expected) in cases {
        let what = String::from_utf8_lossy(&body).chars().take(90).collect::<String>();
        let call = app.call("POST", "/api/v1/token").basic(&client.id, &client.secret).body(FORM, body);
        let answer = call.send().await;
        assert_eq!(answer.failure(), expected, "{what}: {answer:?}");
        if answer.status != 200 {
            oauth_form(&answer, &what);
        }
    }
    // A scope given by name and withheld is refused; one that is covered by a wildcard is given by name only.
    let all = app.token_answer(&client, &[]).await;
    assert_eq!(all.json["scope"], "data:read tokens:read");
    for path in &ENDPOINTS[1..] {
        for body in ["", "token=", "token_type_hint=access_token", "token=a&token=a", "token=%ff"] {
            let call = app.call("POST", path).basic(&client.id, &client.secret).body(FORM, body);
            assert_eq!(call.send().await.failure(), "400 invalid_request", "{path} {body}");
        }
        let call = app.call("POST", path).basic(&client.id, &client.secret).form(&[("token", "x"), ("unknown", "y")]);
        assert_eq!(call.send().await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_client_authenticates_in_one_way_only() {
    let (app, client) = start().await;
    let bearer = app.token(&client, None).await;
    let (id, secret) = (client.id.as_str(), client.secret.as_str());
    let grant = [("grant_type", "client_credentials"), ("token", "x")];
    let with = |more: &[(&'static str, &str)]| {
        let pairs: Vec<(String, String)> =
            grant.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    };
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let good = basic(&format!("{id}:{secret}"));
    let encoded = basic(&format!("%{:02x}{}:{secret}", id.as_bytes()[0], &id[1..]));
    let header = |text: &str| vec![text.to_owned()];
    let token = format!("Bearer {bearer}");
    // Headers, body, what all three endpoints say, and the challenge.
    let cases: Vec<(&str, Vec<String>, String, &str, &str)> = vec![
        ("good", header(&good), with(&[]), "200 -", ""),
        ("lower case", header(&good.replacen("Basic", "basic", 1)), with(&[]), "200 -", ""),
        ("upper case", header(&good.replacen("Basic", "BASIC", 1)), with(&[]), "200 -", ""),
        ("percent-encoded", header(&encoded), with(&[]), "200 -", ""),
        ("id repeated", header(&good), with(&[("client_id", id)]), "200 -", ""),
        ("in the body", vec![], with(&[("client_id", id), ("client_secret", secret)]), "200 -", ""),
        ("another id", header(&good), with(&[("client_id", UNKNOWN)]), "400 invalid_request", ""),
        (
            "Basic and body",
            header(&good),
            with(&[("client_id", id), ("client_secret", secret)]),
            "400 invalid_request",
            "",
        ),
        ("Basic and secret", header(&good), with(&[("client_secret", secret)]), "400 invalid_request", ""),
        (
            "Bearer and body",
            header(&token),
            with(&[("client_id", id), ("client_secret", secret)]),
            "400 invalid_request",
            "",
        ),
        ("Bearer and id", header(&token), with(&[("client_id", id)]), "400 invalid_request", ""),
        ("Basic twice", vec![good.clone(), good.clone()], with(&[]), "400 invalid_request", ""),
        ("Basic and Bearer", vec![good.clone(), token.clone()], with(&[]), "400 invalid_request", ""),
        ("Bearer and Basic", vec![token.clone(), good.clone()], with(&[]), "400 invalid_request", ""),
        (
            "secret in the body twice",
            vec![],
            with(&[("client_id", id), ("client_secret", secret), ("client_secret", secret)]),
            "400 invalid_request",
            "",
        ),
        ("nothing", vec![], with(&[]), "401 invalid_client", "Bearer"),
        ("id alone", vec![], with(&[("client_id", id)]), "401 invalid_client", "Bearer"),
        ("secret alone", vec![], with(&[("client_secret", secret)]), "401 invalid_client", "Bearer"),
        ("empty secret", vec![], with(&[("client_id", id), ("client_secret", "")]), "401 invalid_client", "Bearer"),
        ("empty header", header(""), with(&[]), "401 invalid_client", "Bearer"),
        ("another scheme", header("Digest x"), with(&[]), "401 invalid_client", "Bearer"),
        ("another scheme and id", header("Negotiate x"), with(&[("client_id", id)]), "401 invalid_client", "Bearer"),
        ("no colon", header(&basic(id)), with(&[]), "401 invalid_client", "Basic"),
        ("no id", header(&basic(&format!(":{secret}"))), with(&[]), "401 invalid_client", "Basic"),
        ("no secret", header(&basic(&format!("{id}:"))), with(&[]), "401 invalid_client", "Basic"),
        ("neither", header(&basic(":")), with(&[]), "401 invalid_client", "Basic"),
        ("scheme alone", header("Basic"), with(&[]), "401 invalid_client", "Basic"),
        ("no base64", header("Basic !!!"), with(&[]), "401 invalid_client", "Basic"),
        (
            "no padding",
            header(good.trim_end_matches('=')),
            with(&[]),
            if good.ends_with('=') { "401 invalid_client" } else { "200 -" },
            if good.ends_with('=') { "Basic" } else { "" },
        ),
        (
            "base64url",
            header(&format!("Basic {}", URL_SAFE.encode([0xfb, 0xff, b':', b'x']))),
            with(&[]),
            "401 invalid_client",
            "Basic",
        ),
        ("more behind", header(&format!("{good} x")), with(&[]), "401 invalid_client", "Basic"),
        (
            "no UTF-8",
            header(&format!("Basic {}", STANDARD.encode(b"\xff:\xfe"))),
            with(&[]),
            "401 invalid_client",
            "Basic",
        ),
        ("bad percent", header(&basic(&format!("{id}%:{secret}"))), with(&[]), "401 invalid_client", "Basic"),
        (
            "eight kilobytes",
            header(&basic(&format!("{id}:{}", "a".repeat(6000)))),
            with(&[]),
            "401 invalid_client",
            "Basic",
        ),
    ];
    for (what, headers, body, expected, challenge) in cases {
        for path in ENDPOINTS {
            let call = headers.iter().fold(app.call("POST", path), |call, value| call.header("Authorization", value));
            let answer = call.body(FORM, body.clone()).send().await;
            assert_eq!(answer.failure(), expected, "{what} at {path}: {answer:?}");
            let wanted = match challenge {
                "Basic" => r#"Basic realm="agentidp", charset="UTF-8""#,
                "Bearer" => r#"Bearer realm="agentidp""#,
                _ => "",
            };
            assert_eq!(answer.header("www-authenticate"), wanted, "{what} at {path}");
            if answer.status != 200 {
                oauth_form(&answer, what);
            }
        }
    }
    // A bearer token is no client authentication, and a bad one is told from none.
    let grant = [("grant_type", "client_credentials"), ("token", "x")];
    assert_eq!(
        app.call("POST", ENDPOINTS[0]).bearer(&bearer).form(&grant).send().await.failure(),
        "401 invalid_client"
    );
    for path in &ENDPOINTS[1..] {
        for bad in ["x", "", "a.b.c", secret] {
            let answer = app.call("POST", path).bearer(bad).form(&grant).send().await;
            assert_eq!(answer.failure(), "401 invalid_token", "{path} {bad}");
            assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="agentidp", error="invalid_token""#);
        }
    }
    // What stands in the query string is not read.
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("client_id", id), ("client_secret", secret), ("grant_type", "client_credentials")])
        .finish();
    let path = format!("{}?{query}", ENDPOINTS[0]);
    assert_eq!(app.call("POST", &path).form(&grant).send().await.failure(), "401 invalid_client");
    let path = format!("{}?{query}&token=x", ENDPOINTS[0]);
    let bare = app.call("POST", &path).basic(id, secret).body(FORM, "").send().await;
    assert_eq!(bare.failure(), "400 invalid_request");
    let path = format!("{}?access_token={bearer}", ENDPOINTS[1]);
    assert_eq!(app.call("POST", &path).form(&[("token", "x")]).send().await.failure(), "401 invalid_client");
}
