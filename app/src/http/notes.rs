//! What is learnt of a request on its way in and needed on its way out: for headers and for the access log.

use super::operations::Operation;
use agentidp_core::domain::caller::RequestContext;
use agentidp_core::domain::ids::AgentId;
use agentidp_core::domain::rate::RateDecision;
use poem::Request;
use std::sync::{Arc, OnceLock};

/// The notes of one request, shared by all who handle it.
#[derive(Debug, Default)]
pub struct Notes {
    pub context: RequestContext,
    pub client: OnceLock<AgentId>,
    pub rate: OnceLock<RateDecision>,
    pub operation: OnceLock<&'static Operation>,
    /// The router's pattern, once a route is found.
    pub pattern: OnceLock<String>,
}

impl Notes {
    /// The notes of `request`; empty ones if the outermost middleware did not run.
    pub fn of(request: &Request) -> Arc<Self> {
        request.data::<Arc<Self>>().cloned().unwrap_or_default()
    }
}
