//! A Vault of one test's own, which it may seal, stop and kill.
#![allow(dead_code, reason = "each test binary uses its part")]

use crate::ports::free_port;
use crate::server::{PATIENCE, Server};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tokio::time::Instant;

const ROOT_TOKEN: &str = "own-root-token";

/// The server, in development mode; it ends with the test.
pub struct Own {
    pub server: Server,
    child: Child,
    folder: tempfile::TempDir,
}

impl Own {
    pub async fn start() -> Self {
        Self::launch(&[], "http").await
    }

    /// With TLS, under a certificate authority of its own.
    pub async fn start_tls() -> Self {
        Self::launch(&["-dev-tls"], "https").await
    }

    async fn launch(options: &[&str], scheme: &str) -> Self {
        // Another process may take the port before the server does.
        for _ in 0..10 {
            if let Some(own) = Self::try_launch(options, scheme).await {
                return own;
            }
        }
        panic!("bao does not start; run the tests by scripts/with-servers");
    }

    async fn try_launch(options: &[&str], scheme: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut command = Command::new("bao");
        command.args(["server", "-dev", "-dev-no-store-token", &format!("-dev-root-token-id={ROOT_TOKEN}")]);
        command.args([
            &format!("-dev-listen-address=127.0.0.1:{port}"),
            &format!("-dev-tls-cert-dir={}", folder.path().display()),
        ]);
        command.args(options).env("HOME", folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let server = Server::at(&format!("{scheme}://127.0.0.1:{port}"), ROOT_TOKEN);
        let mut own = Self { server, child, folder };
        let deadline = Instant::now() + PATIENCE;
        while !own.answers().await {
            if own.child.try_wait().unwrap().is_some() || Instant::now() > deadline {
                return None;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Some(own)
    }

    async fn answers(&self) -> bool {
        let client = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build().unwrap();
        let health = self.server.address.join("v1/secret/config").unwrap();
        client.get(health).header("X-Vault-Token", ROOT_TOKEN).send().await.is_ok_and(|answer| answer.status() == 200)
    }

    /// Sends the process a signal.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// The certificate authority of TLS.
    pub fn authority(&self) -> PathBuf {
        let names = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        names.into_iter().find(|path| path.to_string_lossy().contains("-ca.pem")).expect("bao wrote its authority")
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
