//! AgentIdP: the identity provider for AI agents. The application around the core: configuration, wiring, commands and
//! the HTTP surface.

pub mod commands;
pub mod config;
pub mod http;
pub mod jobs;
pub mod lifecycle;
pub mod listeners;
pub mod telemetry;
pub mod tls;
pub mod wiring;
