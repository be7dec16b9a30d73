//! A fault is never a wrong secret, holds nobody up for long, and tells what to check.

use crate::own::Own;
use crate::relay::{Mode, Relay, answer};
use crate::server::{PATIENCE, POLICY, Server};
use crate::{Kept, failure, undo};
use agentidp_adapters::vault::{VaultConfig, VaultLogin, VaultSecrets};
use agentidp_core::contract::secrets::{owner, secret, write};
use agentidp_core::ports::secrets::{SecretHealth, SecretStore};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Every question fails, and what it says has these words.
async fn everything_fails(store: &VaultSecrets, kept: &Kept, words: &str) {
    let wrong = Kept { at: kept.at.clone(), text: "wrong".to_owned() };
    for text in [
        failure(kept.verify(store).await),
        failure(wrong.verify(store).await),
        failure(store.put(write(owner(1), 2), &secret(owner(1), 2)).await),
        failure(undo(store, 1, 1).await),
        failure(store.destroy(&kept.at.location().unwrap()).await),
        failure(store.ping().await),
    ] {
        assert!(text.contains(words), "`{words}` is not in: {text}");
        assert!(!text.contains(&kept.text) && !text.contains("root-token"), "{text}");
    }
}

/// Waits until the secret verifies again.
async fn comes_back(store: &VaultSecrets, kept: &Kept) {
    let deadline = Instant::now() + PATIENCE;
    while !kept.verify(store).await.is_ok_and(|right| right) {
        assert!(Instant::now() < deadline, "Vault is back and is not asked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A store at the end of a relay, and a secret that is kept there.
async fn behind_a_relay(adjust: impl FnOnce(&mut VaultConfig)) -> (Relay, VaultSecrets, Kept) {
    let server = Server::shared();
    let relay = Relay::before(server.address.authority()).await;
    let mut config = server.config(&server.mount().await, server.root());
    config.address = relay.address.parse().unwrap();
    config.limits.pause = Duration::ZERO;
    adjust(&mut config);
    let store = VaultSecrets::new(config).unwrap();
    let kept = Kept::put(&store, 1, 1).await;
    (relay, store, kept)
}

#[tokio::test]
async fn sealed() {
    let own = Own::start().await;
    let mut config = own.server.config("secret", own.server.root());
    config.limits.pause = Duration::ZERO;
    let store = VaultSecrets::new(config).unwrap();
    let kept = Kept::put(&store, 1, 1).await;
    own.server.post("sys/seal", json!({})).await;
    everything_fails(&store, &kept, "Vault is sealed").await;
}

#[tokio::test]
async fn down() {
    let mut own = Own::start().await;
    let mut config = own.server.config("secret", own.server.root());
    config.limits.pause = Duration::ZERO;
    let store = VaultSecrets::new(config).unwrap();
    let kept = Kept::put(&store, 1, 1).await;
    own.kill();
    everything_fails(&store, &kept, "Vault cannot be reached").await;
}

#[tokio::test]
async fn hung_and_back() {
    let own = Own::start().await;
    let mut config = own.server.config("secret", own.server.root());
    config.limits.pause = Duration::ZERO;
    config.limits.request = Duration::from_millis(300);
    // A busy machine may need more than that for a first answer.
    let patient = VaultSecrets::new(own.server.config("secret", own.server.root())).unwrap();
    let kept = Kept::put(&patient, 1, 1).await;
    let store = VaultSecrets::new(config).unwrap();
    comes_back(&store, &kept).await;
    own.signal("-STOP");
    everything_fails(&store, &kept, "Vault does not answer in time").await;
    own.signal("-CONT");
    comes_back(&store, &kept).await;
}

#[tokio::test]
async fn connections_that_break() {
    let (relay, store, kept) = behind_a_relay(|_| ()).await;
    relay.set(Mode::Close);
    everything_fails(&store, &kept, "Vault cannot be reached").await;
    relay.set(Mode::Pass);
    comes_back(&store, &kept).await;
}

#[tokio::test]
async fn a_vault_that_hangs_is_left_alone_and_then_asked_one_by_one() {
    let (relay, store, kept) = behind_a_relay(|config| {
        config.limits.request = Duration::from_secs(2);
        config.limits.pause = Duration::from_secs(3);
    })
    .await;
    assert!(kept.verify(&store).await.unwrap());
    let before = relay.seen("");
    relay.set(Mode::Hang);
    for _ in 0..3 {
        assert!(failure(kept.verify(&store).await).contains("in time"));
    }
    let start = Instant::now();
    for _ in 0..100 {
        assert!(failure(kept.verify(&store).await).contains("is not asked yet"));
    }
    assert!(start.elapsed() < Duration::from_secs(2), "nobody waits");
    assert_eq!(relay.seen("") - before, 3);
    relay.set(Mode::Pass);
    comes_back(&store, &kept).await;
}

#[tokio::test]
async fn who_waits_for_a_turn_does_not_wait_for_a_vault_that_hangs() {
    let (relay, store, kept) = behind_a_relay(|config| {
        config.limits.request = Duration::from_secs(2);
        config.limits.requests = 4;
        config.limits.pause = PATIENCE;
    })
    .await;
    let before = relay.seen("");
    relay.set(Mode::Hang);
    let start = Instant::now();
    let (store, kept) = (Arc::new(store), Arc::new(kept));
    let asked: Vec<_> = (0..64)
        .map(|_| {
            let (store, kept) = (Arc::clone(&store), Arc::clone(&kept));
            tokio::spawn(async move { kept.verify(store.as_ref()).await })
        })
        .collect();
    for answer in asked {
        failure(answer.await.unwrap());
    }
    // Four at a time they would take half a minute.
    assert!(start.elapsed() < Duration::from_secs(15) && relay.seen("") - before <= 8);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (relay, store, kept) = behind_a_relay(|_| ()).await;
    let canary = Relay::before(Server::shared().address.authority()).await;
    for status in ["301 Moved Permanently", "307 Temporary Redirect", "308 Permanent Redirect"] {
        relay.set(answer(status, &format!("Location: {}/v1/x\r\n", canary.address), ""));
        everything_fails(&store, &kept, "VAULT_ADDR must lead to the active server").await;
    }
    assert_eq!(canary.seen(""), 0, "the token must not arrive anywhere else");
}

#[tokio::test]
async fn answers_that_are_none() {
    let (relay, store, kept) = behind_a_relay(|_| ()).await;
    let ended = r#"{"data":{"data":null,"metadata":{"destroyed":false,"deletion_time":""}}}"#;
    let json = "Content-Type: application/json\r\n";
    for (status, body) in [
        ("200 OK", ""),
        ("200 OK", "{}"),
        ("200 OK", "<html>sesame</html>"),
        ("200 OK", r#"{"data":{"data":{"client_secret":"sesame"}}}"#),
        ("404 Not Found", "<html>no such page</html>"),
        ("404 Not Found", ""),
        ("404 Not Found", ended),
        ("404 Not Found", r#"{"errors":["no handler for route"]}"#),
        ("400 Bad Request", r#"{"errors":["something"]}"#),
        ("403 Forbidden", r#"{"errors":["permission denied"]}"#),
        ("403 Forbidden", "<html>a proxy's page</html>"),
        ("429 Too Many Requests", r#"{"errors":["request path: rate limit quota exceeded"]}"#),
        ("500 Internal Server Error", r#"{"errors":["internal error"]}"#),
        ("502 Bad Gateway", "<html>bad gateway</html>"),
        ("503 Service Unavailable", r#"{"errors":["Vault is sealed"]}"#),
    ] {
        relay.set(answer(status, json, body));
        let text = failure(kept.verify(&store).await);
        assert!(!text.contains("sesame"), "{status} {body}: {text}");
        failure(store.put(write(owner(1), 2), &secret(owner(1), 2)).await);
        failure(store.destroy(&kept.at.location().unwrap()).await);
    }
    relay.set(Mode::Pass);
    assert!(kept.verify(&store).await.unwrap());
}

#[tokio::test]
async fn a_mount_that_is_not_there() {
    let server = Server::shared();
    let store = server.store("no-such-mount", server.root());
    let error = store.check().await.unwrap_err();
    assert!(error.is_mistake() && error.to_string().contains("check VAULT_MOUNT"), "{error}");
    let mount = server.mount().await;
    let kept = Kept::put(&server.store(&mount, server.root()), 1, 1).await;
    assert!(kept.verify(&store).await.unwrap(), "a row says itself where its secret is");
    let (status, _) = server.ask(Method::DELETE, &format!("sys/mounts/{mount}"), json!({})).await;
    assert_eq!(status, 204);
    assert!(failure(kept.verify(&store).await).contains("no KV engine"));
}

#[tokio::test]
async fn an_engine_of_version_1_takes_nothing() {
    let server = Server::shared();
    let mount = server.old_mount(json!({"version": "1"})).await;
    let store = server.store(&mount, server.root());
    let text = failure(store.put(write(owner(1), 1), &secret(owner(1), 1)).await);
    assert!(text.contains("version 2"), "{text}");
    let (status, listed) = server.ask(Method::GET, &format!("{mount}/?list=true"), Value::Null).await;
    assert_eq!(status, 404, "nothing was written: {listed}");
}

/// The role has the policy that operators are given, and no other.
#[tokio::test]
async fn only_an_engine_of_version_2_will_do() {
    let server = Server::shared();
    let with_policy =
        async |mount: &str| server.store(mount, server.approle(&server.policy(POLICY, mount).await, json!({})).await);
    with_policy(&server.mount().await).await.check().await.unwrap();
    let error = with_policy("no-such-mount").await.check().await.unwrap_err();
    assert!(error.is_mistake() && error.to_string().contains("check VAULT_MOUNT"), "{error}");
    for options in [json!({"version": "1"}), json!({})] {
        let mount = server.old_mount(options).await;
        let store = with_policy(&mount).await;
        let error = store.check().await.unwrap_err();
        let words = format!("run `vault kv enable-versioning {mount}`");
        assert!(error.is_mistake() && error.to_string().contains(&words), "{error}");
        // What it says to do is enough. The engine is away for a moment then.
        server.post(&format!("sys/mounts/{mount}/tune"), json!({"options": {"version": "2"}})).await;
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = store.check().await {
            assert!(Instant::now() < deadline, "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(Kept::put(&store, 1, 1).await.verify(&store).await.unwrap());
    }
}

#[tokio::test]
async fn no_permission() {
    let server = Server::shared();
    let (mount, other) = (server.mount().await, server.mount().await);
    let kept = Kept::put(&server.store(&mount, server.root()), 1, 1).await;
    let login = server.approle(&server.policy(POLICY, &other).await, json!({})).await;
    let store = server.store(&mount, login);
    everything_fails(&store, &kept, "refuses access (403)").await;
    assert!(store.check().await.unwrap_err().is_mistake());
}

#[tokio::test]
async fn only_the_given_authority_is_trusted() {
    let own = Own::start_tls().await;
    let config = |ca: Option<Vec<u8>>| VaultConfig { ca, ..own.server.config("secret", own.server.root()) };
    let check = async |ca| VaultSecrets::new(config(ca)).unwrap().check().await;
    check(Some(std::fs::read(own.authority()).unwrap())).await.unwrap();
    let other = Own::start_tls().await;
    for ca in [None, Some(std::fs::read(other.authority()).unwrap())] {
        let error = check(ca).await.unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    assert!(VaultSecrets::new(config(Some(b"no certificate".to_vec()))).is_err());
}

#[test]
fn nothing_prints_a_token() {
    let server = Server::at("http://127.0.0.1:1", "sesame");
    let role = VaultLogin::AppRole { role_id: "role".to_owned(), secret_id: "sesame".to_owned().into() };
    for login in [server.root(), role] {
        let config = server.config("secret", login);
        let text = format!("{config:?} {:?}", VaultSecrets::new(config.clone()).unwrap());
        assert!(!text.contains("sesame"), "{text}");
    }
}
