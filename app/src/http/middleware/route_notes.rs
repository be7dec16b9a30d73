//! Notes which route was taken, for those outside of the router.

use crate::http::notes::Notes;
use crate::http::operations::Operation;
use poem::PathPattern;
use poem::{Endpoint, IntoResponse, Request, Response};
use std::sync::Arc;

/// Runs the request and notes its route.
///
/// # Errors
/// Those of the endpoint inside.
pub async fn run<E: Endpoint>(next: Arc<E>, request: Request) -> poem::Result<Response> {
    let notes = Notes::of(&request);
    let method = request.method().clone();
    let result = next.call(request).await.map(IntoResponse::into_response);
    let pattern = match &result {
        Ok(response) => response.data::<PathPattern>(),
        Err(error) => error.data::<PathPattern>(),
    };
    if let Some(pattern) = pattern {
        let _ = notes.pattern.set(pattern.0.to_string());
        if let Some(operation) = Operation::find(method.as_str(), &pattern.0) {
            let _ = notes.operation.set(operation);
        }
    }
    result
}
