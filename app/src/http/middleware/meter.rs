//! The metrics of requests: one count and one duration each, once, however often it was decided.

use crate::http::error::Code;
use crate::http::notes::Notes;
use crate::telemetry::metrics::{Metrics, SUCCESS};
use poem::{Endpoint, IntoResponse, Request, Response};
use std::sync::Arc;
use tokio::time::Instant;

/// Runs the request and counts it.
///
/// # Errors
/// Those of the endpoint inside, uncounted; the envelope leaves none.
pub async fn run<E: Endpoint>(next: Arc<E>, request: Request, metrics: Arc<Metrics>) -> poem::Result<Response> {
    let start = Instant::now();
    let notes = Notes::of(&request);
    let method = known_method(request.method().as_str());
    let response = next.call(request).await?.into_response();
    let code = response.data::<Code>().copied();
    metrics.answered(method, notes.path(), response.status().as_u16(), start.elapsed());
    if code == Some(Code::RateLimitExceeded) {
        metrics.rate_limited();
    }
    if notes.operation.get().is_some_and(|operation| operation.id == "issueToken") {
        metrics.token(code.map_or(SUCCESS, Code::oauth));
    }
    Ok(response)
}

/// Methods are a closed set in logs and metrics, whatever is sent.
pub fn known_method(method: &str) -> &'static str {
    ["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("OTHER")
}
