//! A change is made from the row that the policy saw. If the row has moved meanwhile, the request is decided again,
//! from the start, until the row holds still.

use crate::http::body::BodyBytes;
use crate::http::error::Failure;
use poem::{Endpoint, IntoResponse, Request, Response};
use std::sync::Arc;
use std::time::Duration;

/// Enough for a hundred writers of one row: of those that meet, one always wins.
const MAX_TRIES: u32 = 100;

/// Runs the request, again while it is stale.
///
/// # Errors
/// Those of the endpoint inside; 503 if the row never held still.
pub async fn run<E: Endpoint>(next: Arc<E>, request: Request) -> poem::Result<Response> {
    let copy = Copy::of(&request);
    let mut result = next.call(request).await.map(IntoResponse::into_response);
    for round in 1..MAX_TRIES {
        if !matches!(&result, Err(error) if error.downcast_ref::<Failure>().is_some_and(|failure| failure.stale)) {
            break;
        }
        tokio::time::sleep(pause(round)).await;
        result = next.call(copy.again()).await.map(IntoResponse::into_response);
    }
    result
}

/// Spreads the writers that met, by the low bits of a fresh id: up to 100 ms, for one that writes to another system has its
/// turn for about that long.
fn pause(round: u32) -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() & 0xff;
    Duration::from_micros(
        u64::try_from(random).unwrap_or(0).saturating_mul(u64::from(round.min(40))).saturating_mul(10),
    )
}

struct Copy {
    method: poem::http::Method,
    uri: poem::http::Uri,
    headers: poem::http::HeaderMap,
    extensions: poem::http::Extensions,
}

impl Copy {
    fn of(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            extensions: request.extensions().clone(),
        }
    }

    fn again(&self) -> Request {
        let mut request = Request::builder().method(self.method.clone()).uri(self.uri.clone()).finish();
        *request.headers_mut() = self.headers.clone();
        *request.extensions_mut() = self.extensions.clone();
        debug_assert!(request.data::<BodyBytes>().is_some(), "the body is among the request's data");
        request
    }
}
