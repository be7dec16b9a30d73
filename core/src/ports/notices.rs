//! Word from one process to the others that something changed, so that they look sooner than they would by themselves.

use super::Source;
use async_trait::async_trait;

/// No word is given or heard.
#[derive(Debug, thiserror::Error)]
#[error("notices are unavailable")]
pub struct NoticeError(#[source] pub Source);

/// Carries notices that signing keys changed. They say no more: whoever hears one asks the database. One may be lost,
/// or heard twice.
#[async_trait]
pub trait Notices: Send + Sync {
    /// Tells everybody who has subscribed, whoever it is.
    async fn publish(&self) -> Result<(), NoticeError>;

    /// Listens from now on: what is published when this has returned MUST be heard, while the subscription lasts.
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, NoticeError>;
}

/// One listener.
#[async_trait]
pub trait Subscription: Send {
    /// Waits for the next notice. One that came before it was waited for MUST be heard; of several that came, fewer may
    /// be. A subscription that was lost MUST become an error within ten seconds, and is of no use from then on.
    async fn next(&mut self) -> Result<(), NoticeError>;
}
