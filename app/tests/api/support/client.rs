//! Requests and answers of the tests.

use base64::Engine;
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::sync::OnceLock;

/// A request.
pub struct Call {
    builder: reqwest::RequestBuilder,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// Null if the body is no JSON.
    pub json: Value,
}

#[expect(clippy::disallowed_methods, reason = "tests have no secrets to lead astray")]
fn http() -> reqwest::Client {
    // A client belongs to the runtime of its first use, and each test has a runtime of its own.
    static PROVIDER: OnceLock<()> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
    reqwest::Client::new()
}

impl Call {
    pub fn new(base: &str, method: &str, path: &str) -> Self {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        Self { builder: http().request(method, format!("{base}{path}")) }
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        Self { builder: self.builder.header(name, value) }
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub fn basic(self, id: &str, secret: &str) -> Self {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
        self.header("Authorization", &format!("Basic {pair}"))
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn form(self, pairs: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.body("application/x-www-form-urlencoded", body)
    }

    pub fn body(self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        Self { builder: self.builder.header("Content-Type", content_type).body(body) }
    }

    pub async fn send(self) -> Answer {
        let response = self.builder.send().await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("the body is text");
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, headers, text, json }
    }
}

impl Answer {
    /// A header as text, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Status and code of a failure: `403 FORBIDDEN`, or `400 invalid_scope` at an OAuth endpoint.
    pub fn failure(&self) -> String {
        let code = self.json["code"].as_str().or(self.json["error"].as_str()).unwrap_or("-");
        format!("{} {code}", self.status)
    }
}
