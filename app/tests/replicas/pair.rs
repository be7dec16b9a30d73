//! Two servers on one database, and what their clients see.

use crate::harness::{Place, Running, admin_token, get, http, try_http, try_token};
use agentidp_adapters::testing::{Database, TestDatabase};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A test machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(40);

pub struct Pair {
    pub place: Place,
    pub urls: [String; 2],
    pub servers: [Running; 2],
    /// The administrator, as `bootstrap` printed it.
    pub admin: Value,
    pub bearer: String,
    /// Goes last, when nobody is connected any more.
    pub database: TestDatabase,
}

/// An agent with a credential.
pub struct Client {
    pub id: String,
    pub credential: String,
    pub secret: String,
}

/// A PostgreSQL database, and where its server is.
pub fn database() -> (TestDatabase, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let database = runtime.block_on(TestDatabase::make(Database::Postgres));
    let url = url::Url::parse(&database.url()).unwrap();
    let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()).parse().unwrap();
    (database, server)
}

impl Pair {
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let (database, server) = database();
        Self::start_behind(database, server.port(), settings)
    }

    /// Starts with the database behind `port` of this machine.
    pub fn start_behind(database: TestDatabase, port: u16, settings: &[(&str, &str)]) -> Self {
        let direct = database.url();
        let mut url = url::Url::parse(&direct).unwrap();
        url.set_port(Some(port)).unwrap();
        let mut place = Place::of_server()
            .with("DATABASE_URL", url.as_str())
            .with("RATE_LIMIT_PER_MINUTE", "0")
            .with("INTROSPECTION_RATE_LIMIT_PER_MINUTE", "0")
            .with("AUTH_FAILURES_PER_MINUTE", "0")
            .with("LOG_FORMAT", "json");
        for (name, value) in settings {
            place = place.with(name, value);
        }
        place.done(&["migrate"]);
        let admin = place.done(&["bootstrap", "--json"]).json();
        let mut servers = [place.start(&["serve"]), place.start(&["serve"])];
        let urls = [servers[0].url(), servers[1].url()];
        let bearer = admin_token(&urls[0], &admin);
        Self { place, urls, servers, admin, bearer, database }
    }

    /// Calls the API of one of them as the administrator; it must answer with this status.
    pub fn call(&self, at: usize, method: &str, path: &str, body: &Value, status: u16) -> Value {
        let (answered, body) = self.ask(at, method, path, body);
        assert_eq!(answered, status, "{method} {path}: {body}");
        body
    }

    /// The same, of which the answer is not known.
    pub fn ask(&self, at: usize, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let bearer = format!("Bearer {}", self.bearer);
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let text = if body.is_null() { String::new() } else { body.to_string() };
        http(&self.urls[at], method, &format!("/api/v1{path}"), &headers, &text)
    }

    pub fn client(&self) -> Client {
        let agent = self.call(
            0,
            "POST",
            "/agents",
            &json!({"email": format!("a{}@example.com", uuid::Uuid::new_v4().simple()), "agentType": "custom",
                "version": "1.0.0", "capabilities": ["data:read", "agents:read", "tokens:read"], "owner": "system",
                "deploymentEnv": "production"}),
            201,
        );
        let id = agent["agentId"].as_str().unwrap().to_owned();
        let made = self.call(0, "POST", &format!("/agents/{id}/credentials"), &json!({}), 201);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Client { id, credential: text("credentialId"), secret: text("clientSecret") }
    }

    /// A token of the client, from one of them.
    pub fn token(&self, at: usize, client: &Client) -> String {
        let (status, body) = self.try_token(at, client);
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    pub fn try_token(&self, at: usize, client: &Client) -> (u16, Value) {
        try_token(&self.urls[at], &client.id, &client.secret).unwrap()
    }

    /// What one of them says to a token that reads.
    pub fn status(&self, at: usize, token: &str) -> u16 {
        get(&self.urls[at], "/api/v1/agents?limit=1", token).0
    }

    /// Revokes a token by itself.
    pub fn revoke(&self, at: usize, token: &str) -> u16 {
        self.form(at, "/api/v1/token/revoke", token).0
    }

    /// Introspects a token by itself, or the administrator's.
    pub fn introspect(&self, at: usize, token: &str) -> (u16, Value) {
        let bearer = format!("Bearer {}", self.bearer);
        form(&self.urls[at], "/api/v1/token/introspect", &bearer, token)
    }

    fn form(&self, at: usize, path: &str, token: &str) -> (u16, Value) {
        form(&self.urls[at], path, &format!("Bearer {token}"), token)
    }

    /// Revokes the key that signs JWTs, as an operator does; another one signs at once.
    pub fn revoke_signing_key(&self) {
        let keys = self.place.done(&["keys", "list", "--json"]).stdout;
        let keys = keys.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let signs = keys.filter(|key| key["use"] == "jwt").find(|key| key["state"] == "signs").unwrap();
        self.place.done(&["keys", "revoke", signs["kid"].as_str().unwrap()]);
    }

    /// The health of one of them.
    pub fn health(&self, at: usize) -> (u16, Value) {
        http(&self.urls[at], "GET", "/health", &[], "")
    }

    /// What one of them tells Prometheus.
    pub fn metrics(&self, at: usize) -> String {
        let mut stream = TcpStream::connect(self.urls[at].strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Waits until the cache of both is as wanted; how long that took.
    pub fn until_cache_is(&self, wanted: &str) -> Duration {
        self.until_is("cache", wanted)
    }

    /// Waits until a service of both is as wanted; how long that took.
    pub fn until_is(&self, service: &str, wanted: &str) -> Duration {
        until(|| (0..2).all(|at| self.health(at).1["services"][service]["status"] == wanted))
    }

    /// How often the logs of both hold these words.
    pub fn logged(&self, words: &str) -> [usize; 2] {
        [0, 1].map(|at| self.servers[at].stderr().matches(words).count())
    }

    /// Both stop as they are told to.
    pub fn stop(self) {
        for server in self.servers {
            assert_eq!(server.terminate().code, 0);
        }
    }
}

fn form(url: &str, path: &str, bearer: &str, token: &str) -> (u16, Value) {
    let headers = [("Authorization", bearer), ("Content-Type", "application/x-www-form-urlencoded")];
    try_http(url, "POST", path, &headers, &format!("token={token}")).unwrap()
}

/// Asks again and again until it is so; how long that took.
pub fn until(mut ready: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < PATIENCE, "it does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}
