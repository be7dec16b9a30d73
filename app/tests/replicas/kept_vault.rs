//! A Vault of a test's own that keeps its data on disk: killed or stopped, it comes back sealed and with all that it had.

use crate::ports::free_port;
use crate::vault_server::{POLICY, Server};
use agentidp_adapters::vault::VaultLogin;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// A test machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct KeptVault {
    pub mount: String,
    port: u16,
    server: Server,
    unseal_key: String,
    login: VaultLogin,
    child: Child,
    folder: tempfile::TempDir,
    runtime: Runtime,
}

impl KeptVault {
    /// One with an engine, and a role that may do there what AgentIdP may.
    pub fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        // Another process may take the port before the server does.
        let (folder, port, child) = (0..10).find_map(|_| launch_anywhere()).expect("bao starts, whatever the port");
        let nobody = Server::at(&format!("http://127.0.0.1:{port}"), "");
        let first = runtime.block_on(nobody.post("sys/init", json!({"secret_shares": 1, "secret_threshold": 1})));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (unseal_key, root) = (text(&first["keys"][0]), text(&first["root_token"]));
        let server = Server::at(nobody.address.as_str(), &root);
        let login = VaultLogin::Token(root.into());
        let mut vault = Self { mount: String::new(), port, server, unseal_key, login, child, folder, runtime };
        vault.unseal();
        let (mount, login) = vault.runtime.block_on(async {
            let mount = vault.server.mount().await;
            let policy = vault.server.policy(POLICY, &mount).await;
            (mount, vault.server.approle(&policy, json!({})).await)
        });
        (vault.mount, vault.login) = (mount, login);
        vault
    }

    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// What tells a server of it, at this port of the machine.
    pub fn settings(&self, port: u16) -> [(&'static str, String); 4] {
        let VaultLogin::AppRole { role_id, secret_id } = &self.login else { panic!("a role") };
        [
            ("VAULT_ADDR", format!("http://127.0.0.1:{port}")),
            ("VAULT_MOUNT", self.mount.clone()),
            ("VAULT_ROLE_ID", role_id.clone()),
            ("VAULT_SECRET_ID", secret_id.expose_secret().to_owned()),
        ]
    }

    /// What Vault says to its administrator of a path of the engine; `part` is `data`, `metadata` …
    pub fn ask(&self, part: &str, path: &str) -> (u16, Value) {
        let path = format!("{}/{part}/{path}", self.mount);
        self.runtime.block_on(self.server.ask(Method::GET, &path, Value::Null))
    }

    /// Its connections stay open, and nothing answers.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// At once, or as a service manager does it; the port then refuses.
    pub fn fall(&mut self, signal: &str) {
        self.signal(signal);
        self.child.wait().unwrap();
    }

    /// Starts it again, sealed.
    pub fn rise(&mut self) {
        self.child = launch(&self.folder);
        assert!(answers(self.port, &mut self.child), "bao starts again");
        // Without the connections to the one that fell.
        self.server = Server::at(self.server.address.as_str(), &self.server.root_token);
    }

    /// Opens it; done when it serves.
    pub fn unseal(&self) {
        self.runtime.block_on(self.server.post("sys/unseal", json!({"key": self.unseal_key})));
        let start = Instant::now();
        while self.runtime.block_on(self.server.ask(Method::GET, "sys/health", Value::Null)).0 != 200 {
            assert!(start.elapsed() < PATIENCE, "bao does not serve");
            sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for KeptVault {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A new server on a port that was free; none: it is not any more.
fn launch_anywhere() -> Option<(tempfile::TempDir, u16, Child)> {
    let (folder, port, cluster) = (tempfile::tempdir().unwrap(), free_port(), free_port());
    let place = folder.path().display();
    // The shortest time to an election: there is nobody else.
    let settings = format!(
        "storage \"raft\" {{\n  path = \"{place}\"\n  node_id = \"one\"\n  performance_multiplier = 1\n}}\n\
         listener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"\n  cluster_address = \"127.0.0.1:{cluster}\"\n  \
         tls_disable = true\n}}\n\
         api_addr = \"http://127.0.0.1:{port}\"\ncluster_addr = \"http://127.0.0.1:{cluster}\"\n"
    );
    std::fs::write(folder.path().join("bao.hcl"), settings).unwrap();
    let mut child = launch(&folder);
    answers(port, &mut child).then_some((folder, port, child))
}

fn launch(folder: &tempfile::TempDir) -> Child {
    let configuration = folder.path().join("bao.hcl");
    let log = std::fs::File::options().append(true).create(true).open(folder.path().join("log")).unwrap();
    let mut command = Command::new("bao");
    command.arg("server").arg("-config").arg(configuration).env("HOME", folder.path());
    command.stdout(log).stderr(Stdio::null());
    command.spawn().expect("bao is in PATH: scripts/with-servers has it")
}

/// Waits until it listens; false: it ends instead.
fn answers(port: u16, child: &mut Child) -> bool {
    let start = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < PATIENCE, "bao does not start");
        sleep(Duration::from_millis(10));
        if child.try_wait().unwrap().is_some() {
            return false;
        }
    }
    child.try_wait().unwrap().is_none()
}
