//! Rate limits and quotas. 0 turns one off.

use super::reader::Reader;
use agentidp_core::domain::rate::PerMinute;
use std::num::NonZeroU32;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests of one client.
    pub requests: Option<PerMinute>,
    /// Introspections of one client.
    pub introspections: Option<PerMinute>,
    /// Failed authentications from one address.
    pub auth_failures: Option<PerMinute>,
    pub agents_per_owner: Option<u32>,
    pub tokens_per_client_per_month: Option<u32>,
}

impl Limits {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut number = |name, default| NonZeroU32::new(reader.number(name, default, 0, u32::MAX));
        Self {
            requests: number("RATE_LIMIT_PER_MINUTE", 100).map(PerMinute),
            introspections: number("INTROSPECTION_RATE_LIMIT_PER_MINUTE", 6_000).map(PerMinute),
            auth_failures: number("AUTH_FAILURES_PER_MINUTE", 30).map(PerMinute),
            agents_per_owner: number("MAX_AGENTS_PER_OWNER", 0).map(NonZeroU32::get),
            tokens_per_client_per_month: number("MAX_TOKENS_PER_CLIENT_PER_MONTH", 0).map(NonZeroU32::get),
        }
    }
}
