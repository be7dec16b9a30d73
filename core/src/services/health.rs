//! Whether the dependencies answer.

use super::Ambient;
use crate::ports::Source;
use crate::ports::cache::CacheHealth;
use crate::ports::storage::StoreHealth;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Asks the dependencies.
pub struct HealthService {
    pub store: Arc<dyn StoreHealth>,
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
}
