//! Verification of bcrypt hashes from before. They are only read: rotation moves a credential to another backend.
//!
//! A verification costs up to a third of a second of a processor, so it runs on blocking threads, two at a time, behind
//! a short queue. A stored hash is not trusted: its form and cost are judged before anything is hashed.

mod hash;

use agentidp_core::domain::credential::SecretRef;
use agentidp_core::domain::secret::PresentedSecret;
use agentidp_core::ports::secrets::{SecretError, SecretVerifier};
use async_trait::async_trait;
use autometrics::autometrics;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use hash::{MAX_COST, MIN_COST};

/// How many verifications run, how many wait for them, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BcryptLimits {
    pub running: usize,
    pub waiting: usize,
    pub patience: Duration,
}

impl Default for BcryptLimits {
    fn default() -> Self {
        Self { running: 2, waiting: 64, patience: Duration::from_secs(2) }
    }
}

/// Verifies secrets of legacy credentials.
#[derive(Debug)]
pub struct BcryptLegacy {
    running: Arc<Semaphore>,
    /// One permit for each that runs or waits.
    admitted: Semaphore,
    patience: Duration,
}

/// Why a verification did not run.
#[derive(Debug, thiserror::Error)]
enum Overload {
    #[error("too many bcrypt verifications are waiting")]
    Full,
    #[error("no bcrypt verification could start in time")]
    TooLate,
    #[error("the bcrypt verifier is shut")]
    Shut,
}

impl Default for BcryptLegacy {
    fn default() -> Self {
        Self::new(BcryptLimits::default())
    }
}

impl BcryptLegacy {
    /// A verifier with limits of its own.
    pub fn new(limits: BcryptLimits) -> Self {
        Self {
            running: Arc::new(Semaphore::new(limits.running)),
            admitted: Semaphore::new(limits.running.saturating_add(limits.waiting)),
            patience: limits.patience,
        }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Overload> {
        let start = Arc::clone(&self.running).acquire_owned();
        match tokio::time::timeout(self.patience, start).await {
            Ok(permit) => permit.map_err(|_| Overload::Shut),
            Err(_) => Err(Overload::TooLate),
        }
    }
}

#[autometrics]
#[async_trait]
impl SecretVerifier for BcryptLegacy {
    async fn verify(&self, at: &SecretRef, presented: &PresentedSecret) -> Result<bool, SecretError> {
        let SecretRef::Bcrypt { hash } = at else {
            return Err(SecretError::NotConfigured(format!("bcrypt cannot verify a secret of `{}`", at.backend())));
        };
        if !presented.may_be_legacy() {
            return Ok(false);
        }
        if let Err(flaw) = hash::check(hash) {
            tracing::warn!(%flaw, "a stored bcrypt hash cannot be used; its secret verifies as wrong");
            return Ok(false);
        }
        let _admitted = self.admitted.try_acquire().map_err(|_| unavailable(Overload::Full))?;
        let permit = self.permit().await.map_err(unavailable)?;
        compare(SecretString::from(presented.expose()), hash.clone(), permit).await
    }
}

/// The permit goes with the work: a caller that stops waiting does not make room for more of it.
async fn compare(secret: SecretString, hash: String, permit: OwnedSemaphorePermit) -> Result<bool, SecretError> {
    let work = move || {
        let answer = bcrypt::verify(secret.expose_secret(), &hash);
        drop(permit);
        answer
    };
    match tokio::task::spawn_blocking(work).await.map_err(unavailable)? {
        Ok(answer) => Ok(answer),
        Err(flaw) => {
            tracing::warn!(%flaw, "a stored bcrypt hash cannot be used; its secret verifies as wrong");
            Ok(false)
        }
    }
}

fn unavailable(source: impl std::error::Error + Send + Sync + 'static) -> SecretError {
    SecretError::Unavailable(Box::new(source))
}

/// How long one verification at `cost` takes here, for the floor under failed authentications. The cost is taken into
/// the range that is verified at all.
///
/// # Errors
/// The measurement did not run.
pub async fn measure(cost: u32) -> Result<Duration, SecretError> {
    let cost = cost.clamp(MIN_COST, MAX_COST);
    let work = move || {
        let start = Instant::now();
        bcrypt::hash_with_salt("a secret of the usual length, near thirty-two", cost, [7; 16]).map(|_| start.elapsed())
    };
    tokio::task::spawn_blocking(work).await.map_err(unavailable)?.map_err(unavailable)
}
