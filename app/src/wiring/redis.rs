//! What replicas share in Redis, and what they do without.

use super::StartError;
use crate::config::Config;
use agentidp_adapters::fallback::FallbackLimiter;
use agentidp_adapters::memory::{DEFAULT_CAPACITY, MemoryLimiter};
use agentidp_adapters::redis::{Observer, Redis, Settings};
use agentidp_core::ports::clock::Clock;
use agentidp_core::ports::limits::RateLimiter;
use agentidp_core::ports::notices::Notices;
use std::sync::Arc;
use std::time::Duration;

/// Redis, if there is one.
///
/// # Errors
/// The configuration names none.
pub async fn open_redis(config: &Config, observer: Arc<dyn Observer>) -> Result<Option<Arc<Redis>>, StartError> {
    let Some(redis) = &config.redis else { return Ok(None) };
    let settings = Settings { url: redis.url.clone(), authorities: redis.authorities.clone() };
    Ok(Some(Arc::new(Redis::open(&settings, observer).await.map_err(|error| StartError::Redis(error.to_string()))?)))
}

/// Limits of all replicas together, by Redis, or else of this process.
pub fn limiter(redis: Option<&Arc<Redis>>, clock: Arc<dyn Clock>) -> Arc<dyn RateLimiter> {
    let own: Arc<dyn RateLimiter> = Arc::new(MemoryLimiter::new(DEFAULT_CAPACITY, clock));
    match redis {
        Some(redis) => Arc::new(FallbackLimiter { shared: Arc::clone(redis) as _, own }),
        None => own,
    }
}

/// Nobody counts the commands of a command.
struct Uncounted;

impl Observer for Uncounted {
    fn ran(&self, _: &'static str, _: Duration, _: bool) {}
}

/// Tells the servers that there is another key, if they listen to Redis. Those that do not hear it read it within a
/// second, so a failure is only logged.
pub async fn tell_of_keys(config: &Config) {
    match open_redis(config, Arc::new(Uncounted)).await {
        // Why it cannot be told is in the log already, from the connection.
        Ok(Some(redis)) => drop(redis.publish().await),
        Ok(None) => {}
        Err(error) => tracing::warn!(cause = %error, "servers are not told of the key, they read it within a second"),
    }
}
