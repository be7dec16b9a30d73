//! A panic ends its request, not its connection.

use crate::http::error::{Code, Failure};
use futures_util::FutureExt;
use poem::{Endpoint, IntoResponse, Request, Response};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// Runs the request; a panic is a 500. Its message may hold anything and goes nowhere.
///
/// # Errors
/// 500 after a panic, or those of the endpoint inside.
pub async fn run<E: Endpoint>(next: Arc<E>, request: Request) -> poem::Result<Response> {
    match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(result) => result.map(IntoResponse::into_response),
        Err(_) => {
            let failure = Failure::new(Code::Internal, "something went wrong here");
            Err(Failure { cause: Some("panic".into()), ..failure }.into())
        }
    }
}
