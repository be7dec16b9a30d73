//! Credentials whose secrets are in Vault.

use crate::relay::{Mode, Relay};
use crate::support::{Answer, Client, Custody, Database, TestApp};
use crate::vault_server::Server;
use agentidp::wiring;
use agentidp_core::domain::credential::SecretRef;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

crate::on_both!(
    a_row_names_a_version_and_no_secret,
    rotation_adds_a_version_and_revocation_destroys_all,
    credentials_of_all_backends_serve_at_once,
    a_vault_that_is_away_is_no_wrong_secret,
    a_vault_that_hangs_holds_up_nobody_else,
);

/// The same server with Vault, for a test that starts on the default.
async fn with_vault(app: &TestApp, address: Option<&str>) -> TestApp {
    let settings = Custody::Vault.settings().await;
    let mut settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    settings.extend(address.map(|address| ("VAULT_ADDR", address)));
    app.replica_with(&settings).await
}

async fn with_relay(app: &TestApp) -> (TestApp, Relay) {
    let relay = Relay::before(Server::shared().address.authority()).await;
    (with_vault(app, Some(&relay.address)).await, relay)
}

fn path_of(client: &Client) -> String {
    format!("/api/v1/agents/{}/credentials/{}", client.id, client.credential_id.as_deref().unwrap())
}

async fn rotate(app: &TestApp, client: &Client, body: &Value) -> Answer {
    app.call("POST", &format!("{}/rotate", path_of(client))).bearer(&app.admin_token().await).json(body).send().await
}

async fn outcome(app: &TestApp, client: &Client) -> String {
    let answer = app.token_answer(client, &[]).await;
    if answer.status == 200 { "200".to_owned() } else { answer.failure() }
}

/// Where the credential's row says that its secret is.
async fn location(app: &TestApp, client: &Client) -> (String, i64) {
    let store = wiring::credential_store(&app.store().await);
    let id = client.credential_id.as_deref().unwrap().parse().unwrap();
    let credential = store.find(client.id.parse().unwrap(), id).await.unwrap().unwrap();
    match credential.secret {
        SecretRef::Vault { path, version } => (path, version),
        other => panic!("{other:?}"),
    }
}

/// What the engine says of a path: `part` is `data`, `metadata` …
async fn ask_vault(path: &str, part: &str) -> Value {
    let path = path.replacen('/', &format!("/{part}/"), 1);
    Server::shared().ask(Method::GET, &path, Value::Null).await.1
}

async fn a_row_names_a_version_and_no_secret(app: TestApp) {
    let app = with_vault(&app, None).await;
    let client = app.client("team-a", &["data:read"]).await;
    let (path, version) = location(&app, &client).await;
    let key = format!("/agentidp/agents/{}/credentials/{}", client.id, client.credential_id.as_deref().unwrap());
    assert!(path.ends_with(&key) && version == 1, "{path} {version}");
    let kept = ask_vault(&path, "data").await;
    assert_eq!(kept["data"]["data"]["client_id"], json!(client.id));
    assert_eq!(kept["data"]["data"]["client_secret"], json!(client.secret));
    let admin = app.admin_token().await;
    let list = app.call("GET", &format!("/api/v1/agents/{}/credentials", client.id)).bearer(&admin).send().await;
    assert_eq!(list.json["data"][0]["backend"], "vault");
    assert!(!list.text.contains(&path) && !list.text.contains("aidp_"));
    assert_eq!(outcome(&app, &client).await, "200");
    let wrong = Client { secret: client.secret.replace("aidp_", "aidp-"), ..client };
    assert_eq!(outcome(&app, &wrong).await, "401 invalid_client");
}

async fn rotation_adds_a_version_and_revocation_destroys_all(app: TestApp) {
    let app = with_vault(&app, None).await;
    let old = app.client("team-a", &["data:read"]).await;
    let answer = rotate(&app, &old, &json!({"graceSeconds": 3600})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let new = Client { secret: answer.json["clientSecret"].as_str().unwrap().to_owned(), ..old.clone() };
    assert_eq!((outcome(&app, &old).await, outcome(&app, &new).await), ("200".to_owned(), "200".to_owned()));
    let (path, version) = location(&app, &new).await;
    assert_eq!(version, 2);
    let gone = app.call("DELETE", &path_of(&new)).bearer(&app.admin_token().await).send().await;
    assert_eq!(gone.status, 204, "{gone:?}");
    for client in [&old, &new] {
        assert_eq!(outcome(&app, client).await, "401 invalid_client");
    }
    let versions = ask_vault(&path, "metadata").await["data"]["versions"].clone();
    assert_eq!((&versions["1"]["destroyed"], &versions["2"]["destroyed"]), (&json!(true), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_too_many_writes_nothing() {
    for database in [Database::Sqlite, Database::Postgres] {
        too_many_write_nothing(TestApp::start_set(database, Custody::Vault.settings().await).await).await;
    }
}

async fn too_many_write_nothing(app: TestApp) {
    let client = app.client("team-a", &["data:read"]).await;
    let path = format!("/api/v1/agents/{}/credentials", client.id);
    let later = json!({"expiresAt": wiring::system_time().after(Duration::from_secs(600)).to_string()});
    assert_eq!(rotate(&app, &client, &later).await.status, 200);
    app.execute("UPDATE credentials SET expires_at = 1000 WHERE expires_at IS NOT NULL");
    let admin = app.admin_token().await;
    let generate = async || app.call("POST", &path).bearer(&admin).json(&json!({})).send().await;
    for _ in 0..10 {
        let made = generate().await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    let (at, _) = location(&app, &client).await;
    let (of_agent, _) = at.rsplit_once('/').unwrap();
    let kept = async || {
        let paths = ask_vault(&format!("{of_agent}?list=true"), "metadata").await["data"]["keys"].clone();
        (paths, ask_vault(&at, "metadata").await["data"]["versions"].clone())
    };
    let before = kept().await;
    assert_eq!((before.0.as_array().unwrap().len(), before.1.as_object().unwrap().len()), (11, 2));
    assert_eq!(generate().await.failure(), "409 CREDENTIAL_LIMIT_REACHED");
    assert_eq!(rotate(&app, &client, &later).await.failure(), "409 CREDENTIAL_LIMIT_REACHED");
    assert_eq!(kept().await, before);
}

async fn credentials_of_all_backends_serve_at_once(app: TestApp) {
    let digest = app.client("team-a", &["data:read"]).await;
    let legacy = app.register("team-a", &["data:read"]).await["agentId"].as_str().unwrap().to_owned();
    app.import(&legacy, "$2b$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG").await;
    let legacy = Client { id: legacy, secret: "correct horse battery staple".to_owned(), credential_id: None };
    let with = with_vault(&app, None).await;
    let vault = with.client("team-a", &["data:read"]).await;
    // New ones go to AWS, and Vault is still there.
    let settings = Custody::Aws.settings().await;
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let both = with.replica_with(&settings).await;
    let aws = both.client("team-a", &["data:read"]).await;
    // New ones go to digests again, and the others are still there.
    let back = both.replica_with(&[("SECRETS_BACKEND", "digest")]).await;
    let later = back.client("team-a", &["data:read"]).await;
    for server in [&both, &back] {
        let clients =
            [("digest", &digest), ("bcrypt", &legacy), ("vault", &vault), ("aws", &aws), ("digest again", &later)];
        for (name, client) in clients {
            assert_eq!(outcome(server, client).await, "200", "{name}");
            let wrong = Client { secret: format!("{}x", client.secret), ..client.clone() };
            assert_eq!(outcome(server, &wrong).await, "401 invalid_client", "{name}");
        }
    }
    let metrics = back.call("GET", "/metrics").send().await.text;
    for store in ["VaultSecrets", "AwsSecrets"] {
        for function in ["put", "verify"] {
            assert!(metrics.contains(&format!(r#"function="{store}::{function}""#)), "{store}::{function}\n{metrics}");
        }
    }
    // A server that knows no Vault cannot say that the secret is wrong.
    assert_eq!(outcome(&app, &vault).await, "503 temporarily_unavailable");
    assert_eq!(outcome(&app, &digest).await, "200");
    assert_eq!(outcome(&with, &aws).await, "503 temporarily_unavailable");
    // A rotation moves a credential to the backend of new ones.
    assert_eq!(rotate(&with, &digest, &json!({})).await.json["backend"], "vault");
    assert_eq!(rotate(&back, &vault, &json!({})).await.json["backend"], "digest");
    assert_eq!(rotate(&back, &aws, &json!({})).await.json["backend"], "digest");
}

async fn a_vault_that_is_away_is_no_wrong_secret(app: TestApp) {
    let embedded = app.client("team-a", &["data:read"]).await;
    let (app, relay) = with_relay(&app).await;
    let (known, unknown) = (app.client("team-a", &["data:read"]).await, app.client("team-a", &["data:read"]).await);
    assert_eq!(outcome(&app, &known).await, "200");
    let asked = relay.seen("GET");
    for _ in 0..20 {
        assert_eq!(outcome(&app, &known).await, "200");
    }
    assert_eq!(relay.seen("GET"), asked, "what is known is not asked again");
    relay.set(Mode::Close);
    for _ in 0..5 {
        assert_eq!(outcome(&app, &known).await, "200", "known for a minute");
        assert_eq!(outcome(&app, &embedded).await, "200");
        let answer = app.token_answer(&unknown, &[]).await;
        assert_eq!(answer.failure(), "503 temporarily_unavailable");
        assert!(!answer.header("retry-after").is_empty());
    }
    let path = format!("/api/v1/agents/{}/credentials", embedded.id);
    let generated = app.call("POST", &path).bearer(&app.admin_token().await).send().await;
    assert_eq!(generated.failure(), "503 SERVICE_UNAVAILABLE");
    assert_eq!(rotate(&app, &embedded, &json!({})).await.failure(), "503 SERVICE_UNAVAILABLE");
    assert_eq!(outcome(&app, &embedded).await, "200", "a rotation that failed has changed nothing");
    assert!(app.background().watch_secrets().await.is_err());
    let health = app.call("GET", "/health").send().await;
    assert_eq!((health.status, &health.json["status"]), (200, &json!("degraded")));
    assert_eq!(health.json["services"]["secrets"]["status"], "down");
    let metrics = app.call("GET", "/metrics").send().await.text;
    assert!(metrics.contains("agentidp_dependency_up{dependency=\"secrets\"} 0"), "{metrics}");
    relay.set(Mode::Pass);
    let start = Instant::now();
    while app.background().watch_secrets().await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(30), "Vault is back and is not asked");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(outcome(&app, &unknown).await, "200");
    assert_eq!(app.call("GET", "/health").send().await.json["services"]["secrets"]["status"], "up");
}

async fn a_vault_that_hangs_holds_up_nobody_else(app: TestApp) {
    let embedded = app.client("team-a", &["data:read"]).await;
    let (app, relay) = with_relay(&app).await;
    let mut unknown = Vec::new();
    for _ in 0..6 {
        unknown.push(app.client("team-a", &["data:read"]).await);
    }
    relay.set(Mode::Hang);
    let answers = futures_util::future::join_all((0..36).map(|number| outcome(&app, &unknown[number % 6])));
    let others = async {
        let mut took = Vec::new();
        for _ in 0..21 {
            let start = Instant::now();
            assert_eq!(outcome(&app, &embedded).await, "200");
            assert_eq!(app.call("GET", "/health").send().await.status, 200);
            took.push(start.elapsed());
        }
        took.sort_unstable();
        took[10]
    };
    let (answers, median) = tokio::join!(answers, others);
    assert!(answers.iter().all(|answer| answer == "503 temporarily_unavailable"), "{answers:?}");
    // Who waits for Vault waits for the two seconds of a request at least.
    assert!(median < Duration::from_secs(2), "{median:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_while_vault_is_away() {
    let app = TestApp::start(Database::Sqlite).await;
    let embedded = app.client("team-a", &["data:read"]).await;
    let settings = Custody::Vault.settings().await;
    let mut settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    settings.push(("VAULT_ADDR", "http://127.0.0.1:1"));
    let app = app.replica_with(&settings).await;
    assert_eq!(outcome(&app, &embedded).await, "200");
    assert_eq!(app.call("GET", "/health").send().await.json["services"]["secrets"]["status"], "down");
}
