//! Headers that every answer carries.

use crate::http::notes::Notes;
use crate::http::state::AppState;
use agentidp_core::domain::rate::RateDecision;
use poem::http::HeaderValue;
use poem::http::header::{CACHE_CONTROL, STRICT_TRANSPORT_SECURITY};
use poem::{Endpoint, IntoResponse, Request, Response};
use std::sync::Arc;

/// Set unless the handler has set its own.
const DEFAULTS: [(&str, &str); 7] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
];

/// Runs the request and completes the headers of its answer.
///
/// # Errors
/// Those of the endpoint inside.
pub async fn run<E: Endpoint>(next: Arc<E>, request: Request) -> poem::Result<Response> {
    let notes = Notes::of(&request);
    let secure = request.data::<Arc<AppState>>().is_some_and(|state| state.issuer.starts_with("https:"));
    let mut response = next.call(request).await?.into_response();
    if !response.status().is_success() {
        response.headers_mut().remove(CACHE_CONTROL);
    }
    for (name, value) in DEFAULTS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    if secure {
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if let Some(decision) = notes.rate.get() {
        rate_headers(&mut response, decision);
    }
    Ok(response)
}

fn rate_headers(response: &mut Response, decision: &RateDecision) {
    let headers = response.headers_mut();
    headers.insert("ratelimit-limit", decision.limit.into());
    headers.insert("ratelimit-remaining", decision.remaining.into());
    headers.insert("ratelimit-reset", seconds(decision.reset).into());
}

/// Whole seconds, rounded up: whoever waits that long has waited long enough.
pub fn seconds(duration: std::time::Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}
