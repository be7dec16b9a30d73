//! Ports that tell an observer how long each question took and how it ended, and change nothing else.
//!
//! Every method of a port has one name of its own, so that what is counted by it is a closed set. The observer is given
//! by the wiring: nothing here knows what becomes of the numbers.

mod agents;
mod audit;
mod credentials;
mod custody;
mod keys;
mod policy;
mod tokens;

pub use policy::MeteredPolicy;

use agentidp_core::ports::storage::StoreError;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With an answer, be it a refusal such as a conflict.
    Answered,
    /// The other side was away, or holds what it cannot hold.
    Failed,
    /// Whoever asked did not wait for the answer.
    Abandoned,
}

/// Who is told.
pub trait Observer: Send + Sync {
    /// A question to the database is over.
    fn asked(&self, operation: &'static str, took: Duration, ending: Ending);

    /// The policy has decided: `allow`, `deny` or, if it came to no decision, `error`.
    fn decided(&self, decision: &'static str);
}

/// A store whose every method is observed.
pub struct Metered<S> {
    inner: Arc<S>,
    observer: Arc<dyn Observer>,
}

impl<S> Metered<S> {
    /// Observes `inner`.
    pub fn new(inner: Arc<S>, observer: Arc<dyn Observer>) -> Self {
        Self { inner, observer }
    }

    async fn observe<T>(
        &self,
        operation: &'static str,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let observer = self.observer.as_ref();
        let mut running = Running { observer, operation, start: Instant::now(), ending: Ending::Abandoned };
        let answer = question.await;
        running.ending = match &answer {
            Err(StoreError::Unavailable(_) | StoreError::Inconsistent { .. }) => Ending::Failed,
            _ => Ending::Answered,
        };
        answer
    }
}

/// A question under way. It is told of when it is dropped: the slowest ones are those that nobody waits for.
struct Running<'a> {
    observer: &'a dyn Observer,
    operation: &'static str,
    start: Instant,
    ending: Ending,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.observer.asked(self.operation, self.start.elapsed(), self.ending);
    }
}
