//! A PostgreSQL of the test's own, which it may stop, start and give other settings.

use crate::ports::free_port;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Stopped when it is dropped.
pub struct Server {
    folder: TempDir,
    port: u16,
}

impl Server {
    /// A new one with these lines in its configuration; `files` are readable for the server alone, in the folder that the
    /// lines call FOLDER.
    pub fn new(settings: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("agentidp-pg-").tempdir_in("/tmp").unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
            std::fs::set_permissions(folder.path().join(name), PermissionsExt::from_mode(0o600)).unwrap();
        }
        if is_root() {
            done(Command::new("chown").args(["-R", "postgres"]).arg(folder.path()));
        }
        let mut server = Self { folder, port: free_port() };
        let data = server.path("data");
        done(&mut as_postgres(&["initdb", "-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]));
        let settings = format!("listen_addresses = '127.0.0.1'\nunix_socket_directories = 'FOLDER'\n{settings}\n")
            .replace("FOLDER", &server.folder.path().display().to_string());
        let configuration = Path::new(&data).join("postgresql.auto.conf");
        std::fs::write(configuration, settings).unwrap();
        // Another process may take the port before the server does.
        for _ in 0..10 {
            if server.try_start().is_ok() {
                return server;
            }
            server.port = free_port();
        }
        panic!("PostgreSQL does not start: {}", server.try_start().unwrap_err());
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub fn start(&self) {
        self.try_start().unwrap();
    }

    /// The same, or its log.
    fn try_start(&self) -> Result<(), String> {
        let (data, port) = (self.path("data"), format!("-p {}", self.port));
        let log = self.path("data/log");
        let start = ["pg_ctl", "start", "-w", "-t", "60", "-s", "-D", &data, "-l", &log, "-o", &port];
        // The server keeps the streams of who starts it.
        let status = as_postgres(&start).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        if status.success() { Ok(()) } else { Err(std::fs::read_to_string(log).unwrap_or_default()) }
    }

    /// Stops it: `fast` tells its clients, `immediate` is a crash.
    pub fn stop(&self, mode: &str) {
        done(&mut as_postgres(&["pg_ctl", "stop", "-w", "-t", "60", "-s", "-m", mode, "-D", &self.path("data")]));
    }

    /// The URL of its first database, at this host.
    pub fn url(&self, host: &str) -> String {
        format!("postgres://postgres@{host}:{}/postgres", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stop = ["pg_ctl", "stop", "-s", "-m", "immediate", "-D", &self.path("data")];
        let _ = as_postgres(&stop).output();
    }
}

/// PostgreSQL refuses to run as root.
fn as_postgres(words: &[&str]) -> Command {
    let mut command = match is_root() {
        true => Command::new("runuser"),
        false => Command::new(words[0]),
    };
    if is_root() {
        command.args(["-u", "postgres", "--"]).args(words);
    } else {
        command.args(&words[1..]);
    }
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn is_root() -> bool {
    done(Command::new("id").arg("-u")).stdout == b"0\n"
}

fn done(command: &mut Command) -> Output {
    let output = command.output().expect("the programs of PostgreSQL are there: scripts/with-servers has them in PATH");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
