//! Every request ends in time.

use crate::http::error::Failure;
use poem::{Endpoint, IntoResponse, Request, Response};
use std::sync::Arc;
use std::time::Duration;

/// A little less than the ten seconds that are promised.
const DEADLINE: Duration = Duration::from_millis(9_500);
const _: () = assert!(DEADLINE.as_millis() < 10_000);

/// Runs the request within its deadline. A transaction that is under way then is rolled back.
///
/// # Errors
/// 503 at the deadline, or those of the endpoint inside.
pub async fn run<E: Endpoint>(next: Arc<E>, request: Request) -> poem::Result<Response> {
    match tokio::time::timeout(DEADLINE, next.call(request)).await {
        Ok(result) => result.map(IntoResponse::into_response),
        Err(elapsed) => Err(Failure::unavailable(elapsed).into()),
    }
}
