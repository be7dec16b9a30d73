//! Notices by PUBLISH and SUBSCRIBE.

use super::Redis;
use super::client::{DEADLINE, within};
use agentidp_core::ports::notices::{NoticeError, Notices, Subscription};
use async_trait::async_trait;
use futures_util::StreamExt;
use redis::Value;
use redis::aio::{PubSubSink, PubSubStream};
use std::time::Duration;
use tokio::time::timeout;

const CHANNEL: &str = "agentidp:keys";
/// When nothing was heard for so long it is asked whether the other side is there: a connection that hangs tells nothing
/// by itself.
const SILENCE: Duration = Duration::from_secs(5);

#[async_trait]
impl Notices for Redis {
    async fn publish(&self) -> Result<(), NoticeError> {
        let work = |mut connection| async move {
            redis::cmd("PUBLISH").arg(CHANNEL).arg("changed").exec_async(&mut connection).await
        };
        self.client.run("publish", work).await.map_err(|error| NoticeError(error.into()))
    }

    async fn subscribe(&self) -> Result<Box<dyn Subscription>, NoticeError> {
        let (sink, stream) = self.client.listen(CHANNEL).await.map_err(|error| NoticeError(error.into()))?;
        Ok(Box::new(Listener { sink, stream }))
    }
}

struct Listener {
    sink: PubSubSink,
    stream: PubSubStream,
}

#[async_trait]
impl Subscription for Listener {
    async fn next(&mut self) -> Result<(), NoticeError> {
        loop {
            match timeout(SILENCE, self.stream.next()).await {
                Ok(Some(_)) => return Ok(()),
                Ok(None) => return Err(NoticeError("the connection has ended".into())),
                Err(_) => {
                    let answer = within(DEADLINE, self.sink.ping::<Value>()).await;
                    answer.map_err(|error| NoticeError(error.into()))?;
                }
            }
        }
    }
}
