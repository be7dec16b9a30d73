//! The example of `docs/VAULT.md`: a Vault Agent puts a credential into a file for its workload, and the next one when it
//! was rotated.

use crate::Kept;
use crate::server::{PATIENCE, Server};
use agentidp_adapters::vault::VaultLogin;
use secrecy::ExposeSecret;
use serde_json::json;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::Instant;

const GUIDE: &str = include_str!("../../../docs/VAULT.md");

/// The fenced block of the guide that begins with `first`.
fn example(first: &str) -> String {
    let block = GUIDE.split("```").find(|block| block.lines().nth(1) == Some(first));
    let block = block.unwrap_or_else(|| panic!("docs/VAULT.md has no block that begins with {first}"));
    block.split_once('\n').unwrap().1.to_owned()
}

/// A process that ends with the test.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn holds(file: &Path, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(file).is_ok_and(|content| content.contains(text)) {
        assert!(Instant::now() < deadline, "{} does not hold it", file.display());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn it_delivers_a_credential_and_the_one_after_it() {
    let server = Server::shared();
    let mount = server.mount().await;
    let store = server.store(&mount, server.root());
    let kept = Kept::put(&store, 1, 1).await;
    let (agent, credential) = kept.path().split_once("/agents/").unwrap().1.split_once("/credentials/").unwrap();
    let fill = |text: &str| text.replace("AGENT_ID", agent).replace("CREDENTIAL_ID", credential);
    let policy = server.policy(&fill(&example("# The workload reads its own credential, nothing else.")), &mount).await;
    let VaultLogin::AppRole { role_id, secret_id } = server.approle(&policy, json!({})).await else { panic!("a role") };

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("role-id"), role_id).unwrap();
    std::fs::write(path("secret-id"), secret_id.expose_secret()).unwrap();
    let config = fill(&example("# agent.hcl"))
        .replace("https://vault.example.com:8200", server.address.as_str().trim_end_matches('/'))
        .replace("/run/agentidp/", &format!("{}/", folder.path().display()))
        .replace("secret/data/", &format!("{mount}/data/"))
        // As often as a test can wait for it.
        .replace("static_secret_render_interval = \"1m\"", "static_secret_render_interval = \"1s\"");
    std::fs::write(path("agent.hcl"), config).unwrap();
    let mut command = Command::new("bao");
    command.args(["agent", &format!("-config={}", path("agent.hcl").display())]).env("HOME", folder.path());
    let _agent = Agent(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());

    holds(&path("credential.env"), &format!("AGENTIDP_CLIENT_SECRET={}\n", kept.text)).await;
    holds(&path("credential.env"), &format!("AGENTIDP_CLIENT_ID={agent}\n")).await;
    let next = Kept::put(&store, 1, 2).await;
    holds(&path("credential.env"), &format!("AGENTIDP_CLIENT_SECRET={}\n", next.text)).await;
}
