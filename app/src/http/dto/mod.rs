//! Request and response bodies, one file per resource: what the wire sees of the domain.

pub mod agent;
pub mod audit;
pub mod credential;
pub mod fields;
pub mod page;
pub mod token;
