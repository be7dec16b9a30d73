//! What an attacker can tell apart, and whether anything has changed.

use super::{Answer, Call, Client, TestApp};
use serde_json::{Value, json};

/// An id that nobody has.
pub const UNKNOWN: &str = "0198c0de-0000-7000-8000-0000000000ff";

impl Answer {
    /// All by which a caller can tell two answers apart: status, headers and body, without id and date of the request.
    pub fn seen(&self) -> String {
        let mut lines: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        lines.sort();
        let id = self.header("x-request-id");
        assert!(!id.is_empty(), "{self:?}");
        format!("{}\n{}\n\n{}", self.status, lines.join("\n"), self.text.replace(id, "REQUEST"))
    }

    /// The names of the invalid fields, sorted.
    pub fn fields(&self) -> Vec<String> {
        let fields = self.json["details"]["fields"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<String> =
            fields.iter().map(|field| field["field"].as_str().unwrap_or_default().to_owned()).collect();
        names.sort();
        names
    }
}

impl TestApp {
    /// A request of the holder of `token`, with a JSON body unless it is null.
    pub async fn ask(&self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        self.asking(token, method, path, body).send().await
    }

    /// The same, still to be sent.
    pub fn asking(&self, token: &str, method: &str, path: &str, body: &Value) -> Call {
        let call = self.call(method, path).bearer(token);
        if body.is_null() { call } else { call.json(body) }
    }

    /// Every agent and every credential as the administrator sees them, without the times of last use.
    pub async fn everything(&self) -> Value {
        let token = self.admin_token().await;
        let read = async |path: String| {
            let answer = self.ask(&token, "GET", &path, &Value::Null).await;
            assert_eq!((answer.status, &answer.json["nextCursor"]), (200, &Value::Null), "{answer:?}");
            answer.json["data"].as_array().unwrap().clone()
        };
        let mut rows = Vec::new();
        for agent in read("/api/v1/agents?limit=100".to_owned()).await {
            let path = format!("{}/credentials?limit=100", agent_path(agent["agentId"].as_str().unwrap()));
            let mut credentials = read(path).await;
            credentials.iter_mut().for_each(|credential| credential["lastUsedAt"] = Value::Null);
            rows.push(json!({"agent": agent, "credentials": credentials}));
        }
        Value::Array(rows)
    }

    /// The answer to a token request with the secret in the body.
    pub async fn token_by_body(&self, client: &Client) -> Answer {
        let form = [("grant_type", "client_credentials"), ("client_id", &client.id), ("client_secret", &client.secret)];
        self.call("POST", "/api/v1/token").form(&form).send().await
    }
}

impl Client {
    /// Where its agent is.
    pub fn path(&self) -> String {
        agent_path(&self.id)
    }

    /// Where its agent's credentials are.
    pub fn credentials(&self) -> String {
        format!("{}/credentials", self.path())
    }

    /// Where its credential is.
    pub fn credential(&self) -> String {
        format!("{}/{}", self.credentials(), self.credential_id.as_deref().unwrap())
    }
}

/// Where an agent is.
pub fn agent_path(id: &str) -> String {
    format!("/api/v1/agents/{id}")
}
