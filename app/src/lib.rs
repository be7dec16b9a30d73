//! The application around the core: configuration now; commands, wiring and HTTP beside it.

pub mod config;
