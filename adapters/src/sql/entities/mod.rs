//! The tables as sea-orm sees them. They follow the newest schema; migrations never use them.

pub mod agents;
pub mod audit_events;
pub mod audit_retention;
pub mod credential_grace;
pub mod credentials;
pub mod idempotency_records;
pub mod policies;
pub mod secret_custody;
pub mod secret_writes;
pub mod signing_keys;
pub mod token_revocations;
pub mod token_usage;
