//! AgentIdP: the identity provider for AI agents.

pub mod http;
