//! What the tests of secrets, limits and tokens share.
#![allow(dead_code, reason = "each test binary uses its part")]

use agentidp_adapters::digest::{DigestSecrets, Pepper};
use agentidp_core::contract::limits::Passing;
use agentidp_core::domain::credential::SecretRef;
use agentidp_core::domain::secret::PresentedSecret;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::clock::Clock;
use agentidp_core::ports::secrets::{SecretError, SecretVerifier};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// 2026-01-01T00:00:00Z.
pub const START_MILLIS: i64 = 1_767_225_600_000;

/// A clock that goes when it is told to.
#[derive(Debug)]
pub struct HandClock(AtomicI64);

impl Default for HandClock {
    fn default() -> Self {
        Self(AtomicI64::new(START_MILLIS))
    }
}

impl HandClock {
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.0.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl Passing for HandClock {
    async fn pass(&self, by: Duration) {
        self.advance(by);
    }
}

/// A backend that knows the secrets it is told, counts its calls, and can be away or slow.
#[derive(Debug)]
pub struct CountedSecrets {
    pub calls: AtomicU32,
    pub away: AtomicBool,
    pub gate: Semaphore,
    secrets: Mutex<HashMap<SecretRef, String>>,
}

impl CountedSecrets {
    /// A backend that answers at once.
    pub fn open(secrets: impl IntoIterator<Item = (SecretRef, String)>) -> Self {
        let shut = Self::shut(secrets);
        shut.gate.add_permits(Semaphore::MAX_PERMITS / 2);
        shut
    }

    /// A backend that answers as often as its gate gets permits.
    pub fn shut(secrets: impl IntoIterator<Item = (SecretRef, String)>) -> Self {
        Self {
            calls: AtomicU32::new(0),
            away: AtomicBool::new(false),
            gate: Semaphore::new(0),
            secrets: Mutex::new(secrets.into_iter().collect()),
        }
    }

    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    pub fn destroy(&self, at: &SecretRef) {
        self.secrets.lock().unwrap().remove(at);
    }
}

#[async_trait]
impl SecretVerifier for CountedSecrets {
    async fn verify(&self, at: &SecretRef, presented: &PresentedSecret) -> Result<bool, SecretError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let right = self.secrets.lock().unwrap().get(at).is_some_and(|secret| secret == presented.expose());
        self.gate.acquire().await.unwrap().forget();
        if self.away.load(Ordering::SeqCst) {
            return Err(SecretError::Unavailable("the backend is away".into()));
        }
        match at {
            SecretRef::Vault { .. } => Ok(right),
            _ => Err(SecretError::NotConfigured(at.backend().to_string())),
        }
    }
}

pub fn vault(path: &str, version: i64) -> SecretRef {
    SecretRef::Vault { path: path.to_owned(), version }
}

pub fn presented(text: &str) -> PresentedSecret {
    PresentedSecret::new(text.to_owned())
}

pub fn pepper(number: u8) -> Pepper {
    Pepper::new(format!("key-{number}"), &[number; 32])
}

pub fn digest_secrets() -> DigestSecrets {
    DigestSecrets::new(pepper(1), Some(pepper(2)))
}
