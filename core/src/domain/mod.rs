//! Values and state machines. A value that exists is valid: each has one fallible constructor and private fields.

pub mod agent;
pub mod audit;
pub mod caller;
pub mod credential;
pub mod idempotency;
pub mod ids;
pub mod json;
pub mod key;
pub mod page;
pub mod rate;
pub mod scope;
pub mod secret;
pub mod text;
pub mod time;
pub mod token;
pub mod vault;
