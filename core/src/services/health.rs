//! Whether the dependencies answer.

use super::Ambient;
use crate::ports::Source;
use crate::ports::cache::CacheHealth;
use crate::ports::secrets::{SecretError, SecretHealth};
use crate::ports::storage::StoreHealth;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Asks the dependencies.
pub struct HealthService {
    pub store: Arc<dyn StoreHealth>,
    pub secrets: SecretsWatch,
    /// None: there is none beside this process.
    pub cache: Option<Arc<dyn CacheHealth>>,
    pub ambient: Ambient,
}

/// One dependency's answer.
#[derive(Debug)]
pub struct Probe {
    pub latency: Duration,
    pub result: Result<(), Source>,
}

impl Probe {
    /// Whether it answered.
    pub fn is_up(&self) -> bool {
        self.result.is_ok()
    }
}

impl HealthService {
    /// Asks the database.
    pub async fn database(&self) -> Probe {
        self.probe(self.store.ping()).await
    }

    /// Asks the cache that replicas share; what lives in this process is up.
    pub async fn cache(&self) -> Probe {
        match &self.cache {
            Some(cache) => self.probe(cache.ping()).await,
            None => Probe { latency: Duration::ZERO, result: Ok(()) },
        }
    }

    async fn probe<E: Into<Source>>(&self, question: impl Future<Output = Result<(), E>>) -> Probe {
        let start = self.ambient.clock.now();
        let result = question.await.map_err(Into::into);
        Probe { latency: self.ambient.clock.now().since(start), result }
    }

    /// Asks the system that keeps secrets, and remembers the answer for [`HealthService::secrets`].
    ///
    /// # Errors
    /// What stands in its way.
    pub async fn watch_secrets(&self) -> Result<(), SecretError> {
        let Some(backend) = &self.secrets.backend else { return Ok(()) };
        let start = self.ambient.clock.now();
        let result = backend.ping().await;
        let standing = Standing { up: result.is_ok(), latency: self.ambient.clock.now().since(start) };
        *self.secrets.last.lock().unwrap_or_else(PoisonError::into_inner) = standing;
        result
    }

    /// How the system that keeps secrets stood when it was last asked.
    pub fn secrets(&self) -> Standing {
        *self.secrets.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of the system that keeps secrets. It may be far away, so it is asked from time to time, never by who
/// asks for health.
pub struct SecretsWatch {
    backend: Option<Arc<dyn SecretHealth>>,
    last: Mutex<Standing>,
}

/// A dependency's last answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub up: bool,
    pub latency: Duration,
}

impl SecretsWatch {
    /// Watches `backend`, of which is known whether it is up; none: secrets are kept in the database and by this process.
    pub fn new(backend: Option<Arc<dyn SecretHealth>>, up: bool) -> Self {
        Self { backend, last: Mutex::new(Standing { up, latency: Duration::ZERO }) }
    }
}
