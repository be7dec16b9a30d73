//! The sizes of a request, judged before anything else of it: its headers, and its body, which is read here, once.

use crate::http::body::{BodyBytes, MAX_BODY_BYTES};
use crate::http::error::{Code, Failure};
use poem::error::ReadBodyError;
use poem::http::header::CONTENT_LENGTH;
use poem::{Endpoint, IntoResponse, Request, Response};
use std::sync::Arc;

/// Most bytes of request line and headers together, and most headers. The server reads somewhat more, so that a request
/// beyond them is answered like any other; one far beyond gets a bare 431 from there.
const MAX_HEADER_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// Reads the body into the request's data.
///
/// # Errors
/// 431, 413, 400 if the body breaks off, or those of the endpoint inside.
pub async fn run<E: Endpoint>(next: Arc<E>, mut request: Request) -> poem::Result<Response> {
    if header_bytes(&request) > MAX_HEADER_BYTES || request.headers().len() > MAX_HEADERS {
        return Err(Failure::new(Code::HeadersTooLarge, "the headers are larger than 16 KiB or more than 64").into());
    }
    let declared = request.header(CONTENT_LENGTH).and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    if declared > MAX_BODY_BYTES {
        return Err(too_large().into());
    }
    let bytes = request.take_body().into_bytes_limit(MAX_BODY_BYTES).await.map_err(|error| match error {
        ReadBodyError::PayloadTooLarge => too_large(),
        _ => Failure::new(Code::Validation, "the body broke off"),
    })?;
    request.set_data(BodyBytes(bytes));
    next.call(request).await.map(IntoResponse::into_response)
}

/// As they are on the wire: `name: value`, each with its line end.
fn header_bytes(request: &Request) -> usize {
    let lines = request.headers().iter().map(|(name, value)| name.as_str().len().saturating_add(value.len()));
    let line = request.method().as_str().len().saturating_add(request.uri().to_string().len());
    lines.fold(line, |sum, length| sum.saturating_add(length).saturating_add(4))
}

/// What a body beyond the limit is answered with.
pub fn too_large() -> Failure {
    Failure::new(Code::PayloadTooLarge, "the body is larger than 64 KiB")
}
