//! What happens to every request, around its handler.

pub mod cors;
pub mod deadline;
pub mod envelope;
pub mod headers;
pub mod meter;
pub mod panics;
pub mod request_id;
pub mod request_log;
pub mod retry;
pub mod route_notes;
pub mod size_limits;
