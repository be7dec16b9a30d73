//! The contract of notices, and what a listener meets when Redis goes.

use crate::redis_server::RedisServer;
use crate::{open, shared_url, until};
use agentidp_core::ports::notices::{Notices, Subscription};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The promise of the port; the rest is for a busy test machine.
const LOST_WITHIN: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(3);

async fn setup() -> (Box<dyn Notices>, Box<dyn Notices>) {
    let url = shared_url();
    (Box::new(open(&url).await.0), Box::new(open(&url).await.0))
}

agentidp_core::notices_contract!(shared, super::setup);

/// Until the listener knows that it is none any more.
async fn lost(mut subscription: Box<dyn Subscription>) -> Duration {
    let start = Instant::now();
    let ended = timeout(LOST_WITHIN + SLACK, async { while subscription.next().await.is_ok() {} }).await;
    ended.expect("it is told in time");
    start.elapsed()
}

#[tokio::test]
async fn a_listener_learns_that_redis_went_and_listens_again() {
    let mut server = RedisServer::start(&[]);
    let (redis, told) = open(&server.url()).await;
    let subscription = redis.subscribe().await.unwrap();
    assert_eq!(told.take(), [("subscribe", true)]);
    server.fall();
    eprintln!("killed: known after {:?}", lost(subscription).await);
    assert!(redis.publish().await.is_err());
    assert_eq!(told.take(), [("publish", false)]);
    assert!(redis.publish().await.is_err() && redis.subscribe().await.is_err());
    assert_eq!(told.take(), [], "nothing is sent while it is away");
    server.rise();
    let mut subscription = until(async || redis.subscribe().await.ok()).await;
    redis.publish().await.unwrap();
    subscription.next().await.unwrap();

    server.freeze();
    eprintln!("frozen: known after {:?}", lost(subscription).await);
    server.thaw();
    let mut subscription = until(async || redis.subscribe().await.ok()).await;
    until(async || redis.publish().await.ok()).await;
    subscription.next().await.unwrap();
}
