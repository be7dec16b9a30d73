//! `Idempotency-Key`: the first result of a request, given again to its repeats.

use super::ids::AgentId;
use super::text::Invalid;
use super::time::Timestamp;
use std::time::Duration;

/// How long a result is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// A key chosen by the caller: 1–128 visible ASCII characters. Each caller has keys of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl std::str::FromStr for IdempotencyKey {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("must be 1 to 128 visible ASCII characters"))
        }
    }
}

impl IdempotencyKey {
    /// The key as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The answer that repeats get; a secret is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResponse {
    pub status: u16,
    /// The `Location` header.
    pub location: Option<String>,
    pub body: String,
}

/// A result kept under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    pub caller: AgentId,
    pub key: IdempotencyKey,
    /// SHA-256, in hex, of operation, path and body.
    pub fingerprint: String,
    pub response: StoredResponse,
    pub created_at: Timestamp,
}

/// The wish that a change of `T` be made once: who asks under which key, and how the answer to it will read.
pub struct Once<'a, T: ?Sized> {
    pub caller: AgentId,
    pub key: IdempotencyKey,
    pub fingerprint: String,
    /// Writes the answer that repeats get. It is kept in the same transaction as the change, so it is made before.
    pub present: &'a (dyn Fn(&T) -> StoredResponse + Send + Sync),
}

impl<T: ?Sized> Once<'_, T> {
    /// The record to keep beside the change that ends in `result`.
    pub fn record(self, result: &T, now: Timestamp) -> IdempotencyRecord {
        let response = (self.present)(result);
        IdempotencyRecord {
            caller: self.caller,
            key: self.key,
            fingerprint: self.fingerprint,
            response,
            created_at: now,
        }
    }
}
