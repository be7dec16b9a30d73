//! Reads the body once, under a limit, before anything looks at the request.

use crate::http::body::{BodyBytes, MAX_BODY_BYTES};
use crate::http::error::{Code, Failure};
use poem::error::ReadBodyError;
use poem::http::header::CONTENT_LENGTH;
use poem::{Endpoint, IntoResponse, Request, Response};
use std::sync::Arc;

/// Reads the body into the request's data.
///
/// # Errors
/// 413, 400 if the body breaks off, or those of the endpoint inside.
pub async fn run<E: Endpoint>(next: Arc<E>, mut request: Request) -> poem::Result<Response> {
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

/// What a body beyond the limit is answered with.
pub fn too_large() -> Failure {
    Failure::new(Code::PayloadTooLarge, "the body is larger than 64 KiB")
}
