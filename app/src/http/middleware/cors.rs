//! Cross-origin calls (Fetch standard §3.2) from pages of the configured origins, and from no others.
//!
//! The framework's own middleware refuses every request whose `Origin` is not listed, those of this server's own pages
//! and of plain clients included; here such a request is served as if there were no CORS, which browsers then enforce.

use poem::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode};
use poem::{Endpoint, IntoResponse, Request, Response};
use std::sync::Arc;

const METHODS: &str = "GET, POST, PATCH, DELETE";
const REQUEST_HEADERS: &str = "Authorization, Content-Type, Idempotency-Key, X-Request-Id";
const ANSWER_HEADERS: &str = "Idempotency-Replayed, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, \
                              Retry-After, WWW-Authenticate, X-Request-Id";
/// Seconds for which a browser may keep the answer to a preflight.
const MAX_AGE: &str = "600";

/// Runs the request; pages of `origins` may read its answer.
///
/// # Errors
/// Those of the endpoint inside.
pub async fn run<E: Endpoint>(next: Arc<E>, request: Request, origins: Arc<[String]>) -> poem::Result<Response> {
    if origins.is_empty() {
        return next.call(request).await.map(IntoResponse::into_response);
    }
    let origin = allowed(request.headers(), &origins);
    let preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (&origin, preflight) {
        (Some(_), true) => StatusCode::NO_CONTENT.into_response(),
        _ => next.call(request).await.map(IntoResponse::into_response)?,
    };
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(ANSWER_HEADERS));
        headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
        if preflight {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS));
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        }
    }
    Ok(response)
}

/// The request's origin, if it is listed. Origins are compared byte for byte: whatever else is sent is no match.
fn allowed(headers: &HeaderMap, origins: &[String]) -> Option<HeaderValue> {
    let mut sent = headers.get_all(ORIGIN).iter();
    let (origin, second) = (sent.next()?, sent.next());
    (second.is_none() && origins.iter().any(|known| known.as_bytes() == origin.as_bytes())).then(|| origin.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_listed_origin_is_allowed() {
        let origins = ["https://console.example.com".to_owned()];
        let of = |value: &[u8]| {
            let headers = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_bytes(value).unwrap())]);
            allowed(&headers, &origins).is_some()
        };
        assert!(of(b"https://console.example.com"));
        for other in [
            b"null".as_slice(),
            b"",
            b"*",
            b"http://console.example.com",
            b"https://console.example.com:8443",
            b"https://console.example.com.evil.test",
            b"HTTPS://console.example.com",
            b"https://\xe4",
        ] {
            assert!(!of(other), "{other:?}");
        }
    }
}
