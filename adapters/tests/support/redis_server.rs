//! A Redis of a test's own, which it may stop, freeze and fill.
#![allow(dead_code, reason = "each test binary uses its part")]

use crate::ports::free_port;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A test machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct RedisServer {
    pub port: u16,
    folder: tempfile::TempDir,
    options: Vec<String>,
    child: Option<Child>,
}

impl RedisServer {
    /// One that keeps nothing, with these options more.
    pub fn start(options: &[&str]) -> Self {
        // Another process may take the port before the server does.
        let started = (0..10).find_map(|_| {
            let mut server = Self::stopped(options);
            server.try_rise().then_some(server)
        });
        started.expect("redis-server starts, whatever the port")
    }

    /// Not running yet.
    pub fn stopped(options: &[&str]) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Self { port: free_port(), folder: tempfile::tempdir().unwrap(), options, child: None }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Starts it on its port, empty.
    pub fn rise(&mut self) {
        assert!(self.try_rise(), "redis-server starts on its port");
    }

    /// The same; false: it ends instead.
    fn try_rise(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--dir", &self.folder.path().display().to_string()]).args(&self.options);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("redis-server is in PATH: scripts/setup-test installs it");
        let child = self.child.insert(child);
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < PATIENCE, "redis-server does not start");
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        child.try_wait().unwrap().is_none()
    }

    /// Kills it; its port then refuses.
    pub fn fall(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Lets it hang: its connections stay open, and nothing answers.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Runs a command of `redis-cli`; gives what it prints.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.fall();
    }
}
