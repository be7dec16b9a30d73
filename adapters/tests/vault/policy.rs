//! The policy that operators are given: it is enough, and nothing of it is more than that.

use crate::server::{POLICY, Server};
use crate::undo;
use agentidp_adapters::vault::VaultLogin;
use agentidp_core::contract::secrets::{owner, secret, write};
use agentidp_core::domain::secret::PresentedSecret;
use agentidp_core::ports::secrets::{SecretError, SecretStore, SecretVerifier};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// How long the token lives; it has to be renewed.
const LIFE: Duration = Duration::from_secs(6);

/// Everything that the server ever does, for longer than its token lives.
async fn everything(rules: &str) -> Result<(), SecretError> {
    let server = Server::shared();
    let mount = server.mount().await;
    let settings = json!({"ttl": format!("{}s", LIFE.as_secs())});
    let token = server.token(&server.policy(rules, &mount).await, settings).await;
    let start = Instant::now();
    let store = server.store(&mount, VaultLogin::Token(token.into()));
    let (one, two) = (secret(owner(1), 1), secret(owner(1), 2));
    // A path whose settings are not ours yet.
    let key = format!("agentidp/agents/{}/credentials/{}", owner(2).agent_id, owner(2).credential_id);
    server.post(&format!("{mount}/metadata/{key}"), json!({"max_versions": 1})).await;
    store.put(write(owner(2), 1), &secret(owner(2), 1)).await?;
    let at = store.put(write(owner(1), 1), &one).await?;
    store.put(write(owner(1), 2), &two).await?;
    undo(&store, 1, 2).await?;
    assert!(store.verify(&at, &PresentedSecret::new(one.expose().to_owned())).await?);
    if let Some(location) = at.location() {
        store.destroy(&location).await?;
    }
    while start.elapsed() < LIFE * 2 {
        store.check().await.map_err(|error| SecretError::Unavailable(Box::new(error)))?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// The policy without one capability, for each, and what was left out.
fn weaker() -> Vec<(String, String)> {
    let lines: Vec<&str> = POLICY.lines().collect();
    let mut all = Vec::new();
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("capabilities =")) {
        let capabilities: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        for left_out in &capabilities {
            let rest: Vec<_> = capabilities.iter().filter(|capability| *capability != left_out).collect();
            let line = format!("  capabilities = {rest:?}");
            let mut rules = lines.clone();
            rules[number] = &line;
            all.push((format!("{left_out} of {}", lines[number - 1]), rules.join("\n")));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_enough() {
    everything(POLICY).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_it_is_more_than_that() {
    let weaker = weaker();
    assert!(weaker.len() >= 7, "{weaker:?}");
    let tried: Vec<_> = weaker
        .into_iter()
        .map(|(left_out, rules)| tokio::spawn(async move { (left_out, everything(&rules).await) }))
        .collect();
    for attempt in tried {
        let (left_out, result) = attempt.await.unwrap();
        assert!(matches!(result, Err(SecretError::Unavailable(_))), "not needed: {left_out}");
    }
}
