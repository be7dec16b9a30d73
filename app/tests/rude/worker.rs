//! A client under which the server is killed: it knows what it was promised, and what it does not know.

use crate::harness::{http, try_http, try_token};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::io;

/// The administrator, at the server as it is now.
#[derive(Clone, Copy)]
pub struct Admin<'a> {
    pub url: &'a str,
    pub bearer: &'a str,
}

/// Something went as it must not: the end of this worker's round.
type Step = io::Result<()>;

pub struct Token {
    pub id: String,
    pub text: String,
}

#[derive(Default)]
pub struct Worker {
    number: usize,
    steps: usize,
    pub agent: String,
    credential: String,
    secret: String,
    /// A rotation was sent and not answered.
    rotating: bool,
    pub version: u64,
    /// The version that was sent and not answered.
    sent: Option<u64>,
    /// Changes that are known to have been made.
    pub updates: usize,
    pub rotations: usize,
    pub tokens: Vec<Token>,
    pub revoked: Vec<Token>,
    /// Their revocation was sent and not answered.
    pub perhaps_revoked: Vec<Token>,
    pub registered: Vec<String>,
    /// Answers that promised something, and those that said "not now".
    pub acknowledged: usize,
    pub refused: usize,
}

impl Admin<'_> {
    /// Calls the API.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> io::Result<(u16, Value)> {
        let bearer = format!("Bearer {}", self.bearer);
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        try_http(self.url, method, &format!("/api/v1{path}"), &headers, &body)
    }

    /// Calls the API, which must answer with this status.
    pub fn must(&self, method: &str, path: &str, body: &Value, status: u16) -> Value {
        let (answered, body) = self.call(method, path, body).unwrap();
        assert_eq!(answered, status, "{method} {path}: {body}");
        body
    }

    fn form(&self, path: &str, token: &Token) -> io::Result<(u16, Value)> {
        let bearer = format!("Bearer {}", self.bearer);
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
        try_http(self.url, "POST", path, &headers, &format!("token={}", token.text))
    }

    /// Whether the token lives.
    pub fn lives(&self, token: &Token) -> bool {
        let (status, body) = self.form("/api/v1/token/introspect", token).unwrap();
        assert_eq!(status, 200, "{body}");
        body["active"].as_bool().unwrap()
    }
}

pub fn registration(email: &str) -> Value {
    json!({"email": email, "agentType": "screener", "version": "1.0.0", "capabilities": ["data:read"],
        "owner": "system", "deploymentEnv": "development"})
}

impl Worker {
    /// One with an agent and a credential of its own.
    pub fn new(number: usize, admin: &Admin<'_>) -> Self {
        let agent = admin.must("POST", "/agents", &registration(&format!("worker-{number}@example.com")), 201);
        let agent = agent["agentId"].as_str().unwrap().to_owned();
        let made = admin.must("POST", &format!("/agents/{agent}/credentials"), &json!({}), 201);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self { number, agent, credential: text("credentialId"), secret: text("clientSecret"), ..Self::default() }
    }

    /// Changes one thing after the other until the server does not answer.
    pub fn work(&mut self, admin: &Admin<'_>) {
        loop {
            let step = match (self.steps + self.number) % 6 {
                0 | 3 => self.issue(admin),
                1 => self.patch(admin),
                2 => self.revoke(admin),
                4 => self.rotate(admin),
                _ => self.register(admin),
            };
            self.steps += 1;
            if step.is_err() {
                return;
            }
            self.acknowledged += 1;
        }
    }

    /// The answer, if it promises what was asked for; any answer but that and 503 is wrong.
    fn promised(&mut self, answer: io::Result<(u16, Value)>, status: u16) -> io::Result<Value> {
        let (answered, body) = answer?;
        if answered == 503 {
            self.refused += 1;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        assert_eq!(answered, status, "{body}");
        Ok(body)
    }

    fn issue(&mut self, admin: &Admin<'_>) -> Step {
        let answer = try_token(admin.url, &self.agent, &self.secret);
        let body = self.promised(answer, 200)?;
        let text = body["access_token"].as_str().unwrap().to_owned();
        let claims = URL_SAFE_NO_PAD.decode(text.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        self.tokens.push(Token { id: claims["jti"].as_str().unwrap().to_owned(), text });
        Ok(())
    }

    fn revoke(&mut self, admin: &Admin<'_>) -> Step {
        let Some(token) = self.tokens.pop() else { return Ok(()) };
        let answer = admin.form("/api/v1/token/revoke", &token);
        match self.promised(answer, 200) {
            Ok(_) => self.revoked.push(token),
            Err(error) => {
                self.perhaps_revoked.push(token);
                return Err(error);
            }
        }
        Ok(())
    }

    fn patch(&mut self, admin: &Admin<'_>) -> Step {
        let next = self.version + 1;
        self.sent = Some(next);
        let change = json!({"version": format!("1.0.{next}")});
        let answer = admin.call("PATCH", &format!("/agents/{}", self.agent), &change);
        self.promised(answer, 200)?;
        (self.version, self.sent) = (next, None);
        self.updates += 1;
        Ok(())
    }

    fn rotate(&mut self, admin: &Admin<'_>) -> Step {
        self.rotating = true;
        let path = format!("/agents/{}/credentials/{}/rotate", self.agent, self.credential);
        let answer = admin.call("POST", &path, &json!({}));
        let body = self.promised(answer, 200)?;
        self.secret = body["clientSecret"].as_str().unwrap().to_owned();
        self.rotating = false;
        self.rotations += 1;
        Ok(())
    }

    fn register(&mut self, admin: &Admin<'_>) -> Step {
        let email = format!("w{}-{}@example.com", self.number, self.steps);
        let answer = admin.call("POST", "/agents", &registration(&email));
        let body = self.promised(answer, 201)?;
        self.registered.push(body["agentId"].as_str().unwrap().to_owned());
        Ok(())
    }

    /// Learns from the new process what became of what was not answered. Whatever was answered must be there.
    pub fn settle(&mut self, admin: &Admin<'_>) {
        let agent = admin.must("GET", &format!("/agents/{}", self.agent), &Value::Null, 200);
        let version: u64 = agent["version"].as_str().unwrap().strip_prefix("1.0.").unwrap().parse().unwrap();
        if self.sent.take() == Some(version) {
            self.version = version;
            self.updates += 1;
        }
        assert_eq!(version, self.version, "an acknowledged change is lost");
        let (status, body) = try_token(admin.url, &self.agent, &self.secret).unwrap();
        if status != 200 {
            assert!(status == 401 && self.rotating, "an acknowledged secret is lost: {status} {body}");
            self.rotations += 1;
            self.rotate(admin).unwrap();
        }
        self.rotating = false;
        self.issue(admin).unwrap();
        for token in self.revoked.iter().rev().take(3) {
            assert!(!admin.lives(token), "an acknowledged revocation is lost");
        }
        let live = http(admin.url, "GET", "/health", &[], "");
        assert_eq!(live.0, 200, "{}", live.1);
    }
}
