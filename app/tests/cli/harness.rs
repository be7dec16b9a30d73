//! Runs the binary in a folder of its own, without anything of this process's environment.

use serde_json::Value;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const MASTER_KEY: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=";
pub const OTHER_MASTER_KEY: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY=";
pub const BINARY: &str = env!("CARGO_BIN_EXE_agentidp");
/// A test machine may be busy.
pub const DEADLINE: Duration = Duration::from_secs(40);

/// A folder with settings, in which commands run.
pub struct Place {
    folder: tempfile::TempDir,
    env: Vec<(String, String)>,
}

/// What a command ended with.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A command that goes on; it is killed when the test is over.
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Place {
    /// Without any setting.
    pub fn bare() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), env: Vec::new() }
    }

    /// With what `serve` needs, on a SQLite file.
    pub fn of_server() -> Self {
        let place = Self::bare();
        let url = format!("sqlite://{}", place.path("server.db").display());
        place
            .with("DATABASE_URL", &url)
            .with("MASTER_KEY", MASTER_KEY)
            .with("ISSUER", "http://127.0.0.1:1")
            .with("HOST", "127.0.0.1")
            .with("PORT", "0")
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    /// Starts `agentidp` with these arguments.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.launch(Command::new(BINARY).args(arguments))
    }

    /// Starts a command that becomes `agentidp`.
    pub fn launch(&self, command: &mut Command) -> Running {
        let mark = uuid::Uuid::new_v4().simple().to_string();
        let (stdout, stderr) = (self.path(&format!("{mark}.out")), self.path(&format!("{mark}.err")));
        let (out, err) = (File::create(&stdout).unwrap(), File::create(&stderr).unwrap());
        let child = self.settle(command).stdout(out).stderr(err).spawn().unwrap();
        Running { child, stdout, stderr }
    }

    /// `agentidp` with these arguments, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        self.settle(command.args(arguments));
        command
    }

    /// The settings of this place and nothing else.
    fn settle<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env_clear().envs(self.env.iter().cloned()).current_dir(self.folder.path()).stdin(Stdio::null())
    }

    /// Runs `agentidp` with these arguments to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    /// As [`Place::run`], which must succeed.
    pub fn done(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
        ended
    }
}

impl Ended {
    /// Standard output as one JSON value.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Fails unless the command failed with this code, said all of `words` on stderr and nothing on stdout.
    pub fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in: {}", self.stderr);
        }
    }
}

impl Running {
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// The first line of stdout, once it is there.
    pub fn line(&mut self) -> Value {
        let line = self.wait_for(|running| running.stdout().split_once('\n').map(|(line, _)| line.to_owned()));
        serde_json::from_str(&line).unwrap()
    }

    /// The URL of a server of `serve`, from its log.
    pub fn url(&mut self) -> String {
        let address = self.wait_for(|running| {
            let log = running.stderr();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines
                .filter(|line| line["message"] == "serving")
                .find_map(|line| line["address"].as_str().map(str::to_owned))
        });
        format!("http://{address}")
    }

    /// Asks it to stop, as a service manager does.
    pub fn terminate(self) -> Ended {
        self.terminate_later();
        self.end()
    }

    /// The same, without waiting for the end.
    pub fn terminate_later(&self) {
        self.send("-TERM");
    }

    /// Asks it to read its files anew.
    pub fn hang_up(&self) {
        self.send("-HUP");
    }

    pub fn pid(&self) -> String {
        self.child.id().to_string()
    }

    fn send(&self, signal: &str) {
        let pid = self.pid();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Kills it, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until the log holds `words`, `times` times.
    pub fn logs(&mut self, words: &str, times: usize) {
        self.wait_for(|running| (running.stderr().matches(words).count() == times).then_some(()));
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let status = self.wait_for(|running| running.child.try_wait().unwrap());
        Ended { code: status.code().unwrap_or(-1), stdout: self.stdout(), stderr: self.stderr() }
    }

    /// Looks again and again until there is something, while it runs.
    pub fn wait_for<T>(&mut self, mut ready: impl FnMut(&mut Self) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            let ended = self.child.try_wait().unwrap();
            if let Some(value) = ready(self) {
                return value;
            }
            assert!(ended.is_none() && start.elapsed() < DEADLINE, "{ended:?}: {}{}", self.stdout(), self.stderr());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
}

/// A copy of the shipped policy, in which `from` reads `to`.
pub fn policy(place: &Place, from: &str, to: &str) -> String {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    std::fs::create_dir_all(place.path("policy/data")).unwrap();
    let text = std::fs::read_to_string(shipped.join("authz.rego")).unwrap();
    assert!(text.contains(from));
    place.write("policy/authz.rego", &text.replacen(from, to, 1));
    place.write("policy/data/scopes.json", &std::fs::read_to_string(shipped.join("data/scopes.json")).unwrap());
    place.path("policy").display().to_string()
}

/// Sends one request; gives status and body.
pub fn http(base: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    try_http(base, method, path, headers, body).unwrap()
}

/// As [`http`], of a server that may go away.
///
/// # Errors
/// There is no whole answer.
pub fn try_http(
    base: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<(u16, Value)> {
    let host = base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n");
    stream.write_all(format!("{head}{headers}\r\n{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    whole(&answer).ok_or_else(|| ErrorKind::UnexpectedEof.into())
}

/// Status and body of an answer that is all there; a body that is no JSON is a text. Every 503 says when to ask again.
fn whole(answer: &str) -> Option<(u16, Value)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let status = head.split(' ').nth(1)?.parse().unwrap();
    assert!(status != 503 || header("retry-after").is_some(), "{answer}");
    let json = || match body {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    };
    (body.len() == length).then(|| (status, json()))
}

/// A secret of the same form that is not `secret`, whatever that ends in.
pub fn another(secret: &str) -> String {
    let (head, last) = secret.split_at(secret.len() - 1);
    format!("{head}{}", if last == "x" { "y" } else { "x" })
}

/// Asks for a token, with the credentials in the body.
pub fn token(base: &str, id: &str, secret: &str) -> (u16, Value) {
    try_token(base, id, secret).unwrap()
}

/// As [`token`], of a server that may go away.
///
/// # Errors
/// There is no whole answer.
pub fn try_token(base: &str, id: &str, secret: &str) -> std::io::Result<(u16, Value)> {
    let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    try_http(base, "POST", "/api/v1/token", &[("Content-Type", "application/x-www-form-urlencoded")], &body)
}

/// A token of the administrator whose credential a command printed.
pub fn admin_token(base: &str, printed: &Value) -> String {
    let text = |name: &str| printed[name].as_str().unwrap();
    let (status, body) = token(base, text("clientId"), text("clientSecret"));
    assert_eq!(status, 200, "{body}");
    body["access_token"].as_str().unwrap().to_owned()
}

/// Reads with a bearer token.
pub fn get(base: &str, path: &str, token: &str) -> (u16, Value) {
    http(base, "GET", path, &[("Authorization", &format!("Bearer {token}"))], "")
}
