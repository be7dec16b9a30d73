//! What is learnt of a request on its way in and needed on its way out: for headers, the access log
//! and the metrics.

use super::operations::{Operation, template};
use agentidp_core::domain::caller::RequestContext;
use agentidp_core::domain::ids::AgentId;
use agentidp_core::domain::rate::RateDecision;
use poem::Request;
use std::sync::{Arc, OnceLock};

/// What a path that no route has is called.
const UNMATCHED: &str = "<unmatched>";

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

    /// The template of the route that was taken, from a closed set whatever was sent; `<unmatched>` if none was.
    pub fn path(&self) -> &str {
        let operation = self.operation.get().map(|operation| operation.path);
        operation.or_else(|| template(self.pattern.get()?)).unwrap_or(UNMATCHED)
    }
}
