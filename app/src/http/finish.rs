//! A request that was begun comes to its end, whether or not its client waits for the answer. Otherwise whoever hangs up
//! in time is neither logged nor counted, and his failed authentications do not count against him.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;

/// A future that goes on by itself when it is dropped before its end.
pub struct ToTheEnd<T: Send + 'static>(Option<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T: Send + 'static> ToTheEnd<T> {
    pub fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<T: Send + 'static> Future for ToTheEnd<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // It is there until it has ended, after which nobody asks.
        let Some(future) = self.0.as_mut() else { return Poll::Pending };
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for ToTheEnd<T> {
    fn drop(&mut self) {
        if let (Some(rest), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            drop(runtime.spawn(rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    #[tokio::test]
    async fn what_nobody_waits_for_goes_on() {
        let (go, gone) = oneshot::channel::<()>();
        let (done, ended) = oneshot::channel();
        let mut work = ToTheEnd::new(async move {
            gone.await.unwrap();
            done.send(()).unwrap();
        });
        assert!(timeout(Duration::ZERO, &mut work).await.is_err());
        drop(work);
        go.send(()).unwrap();
        timeout(Duration::from_secs(60), ended).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_is_waited_for_ends_once() {
        assert_eq!(ToTheEnd::new(async { 7 }).await, 7);
    }
}
