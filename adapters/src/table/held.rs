//! What capabilities cover.

use agentidp_core::domain::scope::MANAGEMENT_SCOPES;
use std::collections::BTreeSet;

/// Some agent's capabilities, or those that a request names: words that need not be capabilities.
pub(super) struct Held<'a>(BTreeSet<&'a str>);

impl<'a> Held<'a> {
    pub(super) fn of(capabilities: impl IntoIterator<Item = &'a String>) -> Self {
        Self(capabilities.into_iter().map(String::as_str).collect())
    }

    /// Whether `capability`, or the wildcard of its resource, is among them.
    pub(super) fn covers(&self, capability: &str) -> bool {
        let mut parts = capability.split(':');
        let by_wildcard = match (parts.next(), parts.next(), parts.next()) {
            (Some(resource), Some(_), None) => self.0.contains(format!("{resource}:*").as_str()),
            _ => false,
        };
        by_wildcard || self.0.contains(capability)
    }

    pub(super) fn covers_all(&self, others: &Self) -> bool {
        others.0.iter().all(|capability| self.covers(capability))
    }

    /// Those that `others` do not cover.
    pub(super) fn beyond(self, others: &Self) -> Self {
        Self(self.0.into_iter().filter(|capability| !others.covers(capability)).collect())
    }

    /// The management scopes among them and under their wildcards, but those in `scopes`.
    pub(super) fn powers_beyond(&self, scopes: &BTreeSet<&str>) -> BTreeSet<&'static str> {
        MANAGEMENT_SCOPES.into_iter().filter(|scope| self.covers(scope) && !scopes.contains(scope)).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
