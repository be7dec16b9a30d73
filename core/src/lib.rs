//! The pure core of AgentIdP: what an agent, a credential, a token and an audit event are, what may happen to them,
//! and the questions (ports) that are asked of the outside. No I/O, no runtime, no clock, no environment.
//!
//! Read `domain`, then `ports`, then `services`; each only uses what stands before it.

#[cfg(feature = "contract")]
pub mod contract;
pub mod domain;
pub mod ports;
pub mod services;
