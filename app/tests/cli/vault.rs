//! The binary and Vault: what refuses to start, and what of the environment has no say.

use crate::harness::{Place, admin_token, get};
use crate::own_vault::Own;
use crate::relay::Relay;
use crate::serve::prepared;
use crate::server::Server;
use reqwest::Method;
use serde_json::{Value, json};

const PROXIES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// A server's place with what every program of Vault would heed, leading to `elsewhere`.
fn misled(elsewhere: &str) -> Place {
    let place = Place::of_server().with("VAULT_SKIP_VERIFY", "true").with("VAULT_CAPATH", "/nowhere");
    PROXIES.iter().fold(place, |place, name| place.with(name, elsewhere))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_reaches_one_server_and_no_log() {
    let vault = Server::shared();
    let canary = Relay::before(vault.address.authority()).await;
    let place = misled(&canary.address)
        .with("VAULT_ADDR", vault.address.as_str())
        .with("VAULT_TOKEN", &vault.root_token)
        .with("VAULT_MOUNT", &vault.mount().await)
        .with("RUST_LOG", "trace");
    place.done(&["migrate"]);
    let admin = place.done(&["bootstrap", "--json"]).json();
    let status = place.done(&["credentials", "status", "--json"]).json();
    assert!(status.to_string().contains("vault"), "{status}");
    let mut server = place.start(&["serve"]);
    let url = server.url();
    let token = admin_token(&url, &admin);
    assert_eq!(get(&url, "/api/v1/agents", &token).0, 200);
    let (_, health) = get(&url, "/health", &token);
    assert_eq!(health["services"]["secrets"]["status"], "up", "{health}");
    let ended = server.terminate();
    assert_eq!((ended.code, canary.seen("")), (0, 0));
    assert!(!ended.stderr.contains(&vault.root_token) && !ended.stderr.contains("aidp_"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_always_verified() {
    let own = Own::start_tls().await;
    let place = misled("http://127.0.0.1:1")
        .with("VAULT_ADDR", own.server.address.as_str())
        .with("VAULT_TOKEN", &own.server.root_token);
    place.done(&["migrate"]);
    place.run(&["bootstrap"]).failed(1, &["Vault cannot be reached", "certificate"]);
    let place = place.with("VAULT_CACERT", &own.authority().display().to_string());
    place.done(&["bootstrap"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_do_not_fit_refuse_to_start() {
    let vault = Server::shared();
    let with = |token: &str, mount: &str| {
        let place = prepared().0;
        let place = place.with("VAULT_ADDR", vault.address.as_str()).with("VAULT_TOKEN", token);
        place.with("VAULT_MOUNT", mount)
    };
    with("sesame", "secret").run(&["serve"]).failed(2, &["Vault refuses the login (403); check VAULT_TOKEN"]);
    with(&vault.root_token, "nowhere").run(&["serve"]).failed(2, &["check VAULT_MOUNT"]);
    let unversioned = with(&vault.root_token, &vault.old_mount(json!({"version": "1"})).await);
    unversioned.run(&["serve"]).failed(2, &["needs a KV engine of version 2", "vault kv enable-versioning kv1-"]);
    unversioned.run(&["bootstrap", "--recover"]).failed(1, &["vault kv enable-versioning kv1-"]);
    let policy = vault.policy("path \"auth/token/lookup-self\" { capabilities = [\"read\"] }", "secret").await;
    let powerless = vault.token(&policy, json!({})).await;
    with(&powerless, "secret").run(&["serve"]).failed(2, &["refuses access (403)", "agentidp-policy.hcl"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_first_start_of_dev_writes_to_vault() {
    const DEV: [&str; 6] = ["dev", "--json", "--port", "0", "--data-dir", "data"];
    let (vault, away) = (Server::shared(), "http://127.0.0.1:1");
    let mount = vault.mount().await;
    let place = Place::bare().with("VAULT_TOKEN", &vault.root_token).with("VAULT_MOUNT", &mount);
    let place = place.with("VAULT_ADDR", away);
    place.run(&DEV).failed(1, &["Vault cannot be reached"]);
    let kept = async || {
        let agents = format!("{mount}/metadata/agentidp/agents?list=true");
        vault.ask(Method::GET, &agents, Value::Null).await.1["data"]["keys"].as_array().map_or(0, Vec::len)
    };
    let (mut place, mut administrator) = (place, Value::Null);
    for address in [vault.address.as_str(), vault.address.as_str(), away] {
        place = place.with("VAULT_ADDR", address);
        let mut running = place.start(&DEV);
        let greeting = running.line();
        assert_eq!(greeting["clientSecret"].is_null(), !administrator.is_null(), "{address}");
        assert!(administrator.is_null() || administrator == greeting["clientId"], "{address}");
        administrator = greeting["clientId"].clone();
        assert_eq!(running.terminate().code, 0);
        assert_eq!(kept().await, 1, "{address}");
    }
    let server =
        Place::of_server().with("DATABASE_URL", &format!("sqlite://{}", place.path("data/agentidp.db").display()));
    let key = std::fs::read_to_string(place.path("data/master.key")).unwrap();
    let server = server.with("MASTER_KEY", key.trim()).with("VAULT_ADDR", away).with("VAULT_TOKEN", "sesame");
    server.run(&["bootstrap"]).failed(1, &["there is an administrator already"]);
}

#[test]
fn a_server_starts_while_vault_is_away() {
    let (place, admin) = prepared();
    let place = place.with("VAULT_ADDR", "http://127.0.0.1:1").with("VAULT_TOKEN", "sesame");
    let mut server = place.start(&["serve"]);
    let url = server.url();
    admin_token(&url, &admin);
    let ended = server.terminate();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("Vault is away") && !ended.stderr.contains("sesame"), "{}", ended.stderr);
}
