//! The access log: one line a request, never a header, a body or a query string.

use super::meter::known_method;
use crate::http::error::Code;
use crate::http::notes::Notes;
use poem::{Endpoint, IntoResponse, Request, Response};
use std::sync::Arc;
use tokio::time::Instant;

/// Runs the request and writes its line.
///
/// # Errors
/// Those of the endpoint inside, unlogged; the envelope leaves none.
pub async fn run<E: Endpoint>(next: Arc<E>, request: Request) -> poem::Result<Response> {
    let start = Instant::now();
    let notes = Notes::of(&request);
    let method = known_method(request.method().as_str());
    let trace = trace_id(&request);
    let response = next.call(request).await?.into_response();
    let operation = notes.operation.get();
    tracing::info!(
        target: "agentidp::access",
        requestId = notes.context.request_id,
        traceId = trace,
        operation = operation.map(|operation| operation.id),
        method,
        path = notes.path(),
        status = response.status().as_u16(),
        durationMs = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        clientId = notes.client.get().map(ToString::to_string),
        code = response.data::<Code>().map(|code| code.api()),
        "request"
    );
    Ok(response)
}

/// The trace id of a `traceparent` header (W3C Trace Context).
fn trace_id(request: &Request) -> Option<String> {
    let id = request.header("traceparent")?.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
}
