use super::Observer;
use agentidp_core::ports::policy::{Decided, PolicyEngine, PolicyError, PolicyInput};
use std::sync::Arc;

/// A policy whose decisions are observed.
pub struct MeteredPolicy {
    inner: Arc<dyn PolicyEngine>,
    observer: Arc<dyn Observer>,
}

impl MeteredPolicy {
    /// Observes `inner`.
    pub fn new(inner: Arc<dyn PolicyEngine>, observer: Arc<dyn Observer>) -> Self {
        Self { inner, observer }
    }
}

#[deny(clippy::missing_trait_methods)]
impl PolicyEngine for MeteredPolicy {
    fn decide(&self, input: &PolicyInput) -> Result<Decided, PolicyError> {
        let decided = self.inner.decide(input);
        self.observer.decided(match &decided {
            Ok(decided) if decided.decision.allow => "allow",
            Ok(_) => "deny",
            Err(_) => "error",
        });
        decided
    }

    fn hash(&self) -> String {
        self.inner.hash()
    }
}
