//! Remembers for a short time which secret was right, for backends where asking is dear.
//!
//! What is kept is an HMAC of the secret under a random key of this process, so a memory dump shows no secret. Only
//! right ones are kept. While one is known, every other secret for the same reference is wrong without asking: a
//! reference names one version, and a version has one secret.

use agentidp_core::domain::credential::SecretRef;
use agentidp_core::domain::secret::PresentedSecret;
use agentidp_core::ports::secrets::{SecretError, SecretVerifier};
use async_trait::async_trait;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use moka::sync::Cache;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::sync::OnceCell;

/// Longest time for which an answer may be kept.
const MAX_AGE: Duration = Duration::from_secs(60);

type Mac = Vec<u8>;
type Answer = Result<bool, Arc<SecretError>>;
type Flights = HashMap<(SecretRef, Mac), Flight>;

/// How many references are remembered, and for how long (at most 60 s).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    pub entries: u64,
    pub age: Duration,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self { entries: 10_000, age: MAX_AGE }
    }
}

/// A [`SecretVerifier`] that asks another one only for what it does not know.
pub struct CachedVerifier {
    inner: Arc<dyn SecretVerifier>,
    key: hmac::Key,
    right: Cache<SecretRef, Mac>,
    /// Questions that are being asked now. One and the same secret for one reference is asked once.
    flights: Mutex<Flights>,
    /// Counts [`CachedVerifier::forget`], so that an answer from before it is not kept after it.
    forgotten: AtomicU64,
}

impl CachedVerifier {
    /// Remembers what `inner` says.
    ///
    /// # Errors
    /// There is no randomness for the key.
    pub fn new(inner: Arc<dyn SecretVerifier>, limits: CacheLimits) -> Result<Self, SecretError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|source| SecretError::Unavailable(Box::new(source)))?;
        let right = Cache::builder().max_capacity(limits.entries).time_to_live(limits.age.min(MAX_AGE)).build();
        Ok(Self { inner, key, right, flights: Mutex::default(), forgotten: AtomicU64::new(0) })
    }

    /// Forgets what is known of a reference: after a rotation, a revocation, a suspension.
    pub fn forget(&self, at: &SecretRef) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.flights().retain(|(known, _), _| known != at);
        self.right.invalidate(at);
    }

    fn mac(&self, presented: &PresentedSecret) -> Mac {
        hmac::sign(&self.key, presented.expose().as_bytes()).as_ref().to_vec()
    }

    fn flights(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recall(&self, at: &SecretRef, mac: &Mac) -> Option<bool> {
        self.right.get(at).map(|known| known.ct_eq(mac).into())
    }

    async fn ask(&self, at: &SecretRef, presented: &PresentedSecret, mac: Mac) -> Answer {
        // Another flight may have landed between the look-up and this one's start.
        if let Some(answer) = self.recall(at, &mac) {
            return Ok(answer);
        }
        let before = self.forgotten.load(Ordering::SeqCst);
        let answer = self.inner.verify(at, presented).await.map_err(Arc::new)?;
        if answer {
            self.right.insert(at.clone(), mac);
            // Whoever forgets after this line finds the entry; whoever did before it is seen here.
            if self.forgotten.load(Ordering::SeqCst) != before {
                self.right.invalidate(at);
            }
        }
        Ok(answer)
    }
}

/// A question that is being asked, and how many callers wait for the answer.
#[derive(Default)]
struct Flight {
    answer: Arc<OnceCell<Answer>>,
    seats: usize,
}

/// One caller's seat in a flight. The flight is gone once it has landed, or once the last caller has left it.
struct Seat<'a> {
    verifier: &'a CachedVerifier,
    key: (SecretRef, Mac),
    answer: Arc<OnceCell<Answer>>,
}

impl<'a> Seat<'a> {
    fn take(verifier: &'a CachedVerifier, at: &SecretRef, mac: Mac) -> Self {
        let key = (at.clone(), mac);
        let mut flights = verifier.flights();
        let flight = flights.entry(key.clone()).or_default();
        flight.seats = flight.seats.saturating_add(1);
        Self { verifier, key, answer: Arc::clone(&flight.answer) }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut flights = self.verifier.flights();
        // After `forget` another flight may have the key.
        let Some(flight) = flights.get_mut(&self.key).filter(|flight| Arc::ptr_eq(&flight.answer, &self.answer)) else {
            return;
        };
        flight.seats = flight.seats.saturating_sub(1);
        if flight.seats == 0 || self.answer.initialized() {
            flights.remove(&self.key);
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl SecretVerifier for CachedVerifier {
    async fn verify(&self, at: &SecretRef, presented: &PresentedSecret) -> Result<bool, SecretError> {
        let mac = self.mac(presented);
        if let Some(answer) = self.recall(at, &mac) {
            return Ok(answer);
        }
        let seat = Seat::take(self, at, mac.clone());
        seat.answer.get_or_init(|| self.ask(at, presented, mac)).await.clone().map_err(|error| share(&error))
    }
}

/// The same failure for everyone who waited for it.
fn share(error: &Arc<SecretError>) -> SecretError {
    match error.as_ref() {
        SecretError::Unavailable(_) => SecretError::Unavailable(Box::new(Arc::clone(error))),
        SecretError::NotConfigured(what) => SecretError::NotConfigured(what.clone()),
    }
}

impl std::fmt::Debug for CachedVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CachedVerifier").field("asking", &self.flights().len()).finish_non_exhaustive()
    }
}
