//! A resource server that verifies tokens offline: it keeps the key set for as long as it may.

use super::{Call, base64_bytes};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::clock::Clock;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

pub struct Verifier {
    url: String,
    clock: Arc<dyn Clock>,
    /// Public keys by name, as points of the curve.
    keys: HashMap<String, Vec<u8>>,
    until: Timestamp,
    /// How often the key set was fetched.
    pub fetched: u32,
}

/// What came of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Signed by this key.
    Good(String),
    Expired,
    Bad(String),
}

impl Verifier {
    /// One that has no key set yet.
    pub fn new(url: &str, clock: Arc<dyn Clock>) -> Self {
        let until = clock.now();
        Self { url: url.to_owned(), clock, keys: HashMap::new(), until, fetched: 0 }
    }

    /// Forgets the key set, so that the next verification fetches it.
    pub fn forget(&mut self) {
        self.until = self.clock.now();
    }

    pub async fn verify(&mut self, token: &str) -> Verdict {
        let now = self.clock.now();
        if now >= self.until {
            self.fetch(now).await;
        }
        let parts: Vec<&str> = token.split('.').collect();
        let json = |part: &str| serde_json::from_slice::<Value>(&base64_bytes(part)).unwrap();
        let (header, claims) = (json(parts[0]), json(parts[1]));
        let kid = header["kid"].as_str().unwrap().to_owned();
        let Some(key) = self.keys.get(&kid) else { return Verdict::Bad(format!("{kid} is not in the key set")) };
        let message = format!("{}.{}", parts[0], parts[1]);
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
        if key.verify(message.as_bytes(), &base64_bytes(parts[2])).is_err() {
            return Verdict::Bad(format!("{kid} did not sign it"));
        }
        if claims["exp"].as_i64().unwrap() <= now.unix_seconds() { Verdict::Expired } else { Verdict::Good(kid) }
    }

    /// The age of an answer counts from the request (RFC 9111 §4.2.3).
    async fn fetch(&mut self, asked: Timestamp) {
        let answer = Call::new(&self.url, "GET", "/.well-known/jwks.json").send().await;
        let age: u64 = answer.header("cache-control").strip_prefix("public, max-age=").unwrap().parse().unwrap();
        let point = |key: &Value| {
            let part = |name: &str| base64_bytes(key[name].as_str().unwrap());
            [vec![4], part("x"), part("y")].concat()
        };
        let keys = answer.json["keys"].as_array().unwrap();
        self.keys = keys.iter().map(|key| (key["kid"].as_str().unwrap().to_owned(), point(key))).collect();
        self.until = asked.after(Duration::from_secs(age));
        self.fetched += 1;
    }
}
