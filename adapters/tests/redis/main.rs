//! Rate limits in Redis: their contract, their arithmetic, and what becomes of them when Redis is away, hangs, is slow,
//! full, read-only or empty.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

#[path = "../support/crypto.rs"]
mod crypto;
mod limits;
mod notices;
mod outages;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/redis_server.rs"]
mod redis_server;
mod tls;

use agentidp_adapters::redis::{Observer, Redis, Settings};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Every command that the observer was told of, and whether it was answered.
#[derive(Default)]
pub struct Told(Mutex<Vec<(&'static str, bool)>>);

impl Observer for Told {
    fn ran(&self, command: &'static str, _: Duration, answered: bool) {
        self.0.lock().unwrap().push((command, answered));
    }
}

impl Told {
    fn take(&self) -> Vec<(&'static str, bool)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place where these tests ask for their server")]
fn shared_url() -> String {
    std::env::var("AGENTIDP_TEST_REDIS_URL").unwrap_or_else(|_| {
        panic!("AGENTIDP_TEST_REDIS_URL names no Redis: run `make test`, or `scripts/with-servers cargo test …`")
    })
}

async fn open(url: &str) -> (Redis, Arc<Told>) {
    let told = Arc::new(Told::default());
    let settings = Settings { url: url.into(), authorities: None };
    (Redis::open(&settings, told.clone()).await.unwrap(), told)
}

/// Asks again until it is so; a test machine may be busy.
async fn until<T>(mut ready: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = ready().await {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "it does not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
