//! Redis, which replicas share: rate limits are counted in it, and news goes through it. It is a counter and a
//! messenger: whatever it loses, the database knows what is true.

mod client;
mod notices;

pub use client::{Failure, Observer, Settings};

use agentidp_core::domain::rate::{PerMinute, RateDecision};
use agentidp_core::ports::cache::{CacheError, CacheHealth};
use agentidp_core::ports::limits::{LimitError, RateLimiter};
use async_trait::async_trait;
use client::Client;
use redis::{RedisError, Script};
use std::sync::Arc;

/// Begins the name of every bucket.
const BUCKET: &str = "agentidp:rate:";

/// A Redis server, version 5 or later, or one that speaks like it.
pub struct Redis {
    client: Client,
    limiter: Script,
}

impl Redis {
    /// Connects, and tells `observer` of every command. A Redis that is away is no error: it is taken when it comes.
    /// Must be called within a runtime of tokio, in which the connection is kept up.
    ///
    /// # Errors
    /// The URL or the authorities are none.
    pub async fn open(settings: &Settings, observer: Arc<dyn Observer>) -> Result<Self, RedisError> {
        let client = Client::open(settings, observer).await?;
        Ok(Self { client, limiter: Script::new(include_str!("limiter.lua")) })
    }

    async fn decide(&self, bucket: &str, limit: PerMinute, take: bool) -> Result<RateDecision, LimitError> {
        let mut call = self.limiter.key(format!("{BUCKET}{bucket}"));
        call.arg(limit.interval_micros()).arg(limit.depth_micros()).arg(u8::from(take));
        let work = |mut connection| async move { call.invoke_async(&mut connection).await };
        let (allowed, used) = self.client.run("evalsha", work).await.map_err(|error| LimitError(error.into()))?;
        Ok(limit.decision(allowed, used))
    }
}

#[async_trait]
impl RateLimiter for Redis {
    async fn take(&self, bucket: &str, limit: PerMinute) -> Result<RateDecision, LimitError> {
        self.decide(bucket, limit, true).await
    }

    async fn look(&self, bucket: &str, limit: PerMinute) -> Result<RateDecision, LimitError> {
        self.decide(bucket, limit, false).await
    }
}

#[async_trait]
impl CacheHealth for Redis {
    async fn ping(&self) -> Result<(), CacheError> {
        let work = |mut connection| async move { redis::cmd("PING").exec_async(&mut connection).await };
        self.client.run("ping", work).await.map_err(|error| CacheError(error.into()))
    }
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redis")
    }
}
