//! Turns every failure into its body: `{code, message, details?, requestId}`, at the OAuth endpoints
//! `{error, error_description}`.

use super::headers::seconds;
use crate::http::error::{Challenge, Code, Failure};
use crate::http::notes::Notes;
use crate::http::operations::{allowed_methods, is_oauth_path};
use crate::telemetry::causes;
use poem::error::{MethodNotAllowedError, NotFoundError, ParsePathError};
use poem::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use poem::http::{HeaderValue, StatusCode};
use poem::{Endpoint, IntoResponse, Request, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Runs the request; what fails is answered with its body.
///
/// # Errors
/// None.
pub async fn run<E: Endpoint>(next: Arc<E>, request: Request) -> poem::Result<Response> {
    let notes = Notes::of(&request);
    let path = request.uri().path().to_owned();
    match next.call(request).await {
        Ok(response) => Ok(response.into_response()),
        Err(error) if error.is_from_response() => Ok(error.into_response()),
        Err(error) => {
            let failure = error.downcast::<Failure>().unwrap_or_else(|error| foreign(&error, &path));
            log(&failure, &notes);
            Ok(render(&failure, &path, &notes.context.request_id))
        }
    }
}

/// Errors of the framework.
fn foreign(error: &poem::Error, path: &str) -> Failure {
    // A path that is no UTF-8 behind its percent signs is one that no route has.
    if error.is::<NotFoundError>() || error.is::<ParsePathError>() {
        return Failure::new(Code::NotFound, "there is nothing at this path");
    }
    if error.is::<MethodNotAllowedError>() {
        let allow = Some(allowed_methods(path));
        return Failure { allow, ..Failure::new(Code::MethodNotAllowed, "the method is not allowed at this path") };
    }
    match error.status() {
        StatusCode::NOT_FOUND => Failure::new(Code::NotFound, "there is nothing at this path"),
        status if status.is_client_error() => Failure::new(Code::Validation, "the request cannot be read"),
        _ => Failure {
            cause: Some(error.to_string().into()),
            ..Failure::new(Code::Internal, "something went wrong here")
        },
    }
}

/// A failure that is the server's own is logged here, once, with all its causes; others have their access-log line.
fn log(failure: &Failure, notes: &Notes) {
    if !failure.code.status().is_server_error() {
        return;
    }
    let cause = failure.cause.as_ref().map(|cause| causes(cause.as_ref())).unwrap_or_default();
    tracing::error!(
        requestId = notes.context.request_id,
        operation = notes.operation.get().map(|operation| operation.id),
        code = failure.code.api(),
        cause,
        "request failed"
    );
}

/// The answer to a failure at `path`.
pub fn render(failure: &Failure, path: &str, request_id: &str) -> Response {
    let body = body(failure, is_oauth_path(path), request_id);
    let mut response = Response::builder().status(failure.code.status()).body(body.to_string());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(challenge) = challenge(failure) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(wait) = failure.retry_after {
        headers.insert(RETRY_AFTER, seconds(wait).max(1).into());
    }
    if let Some(allow) = failure.allow.as_ref().and_then(|methods| HeaderValue::from_str(methods).ok()) {
        headers.insert(ALLOW, allow);
    }
    response.set_data(failure.code);
    response
}

/// The body of a failure, of the OAuth form or of the API's.
pub fn body(failure: &Failure, oauth: bool, request_id: &str) -> Value {
    if oauth { oauth_body(failure) } else { api_body(failure, request_id) }
}

fn api_body(failure: &Failure, request_id: &str) -> Value {
    let mut details = Map::new();
    if !failure.fields.is_empty() {
        let fields = failure.fields.iter().map(|error| json!({"field": error.field, "message": error.message}));
        details.insert("fields".to_owned(), fields.collect());
    }
    if !failure.missing_scopes.is_empty() {
        details.insert("missingScopes".to_owned(), json!(failure.missing_scopes));
    }
    let mut body = json!({"code": failure.code.api(), "message": failure.message, "requestId": request_id});
    if let (Some(members), false) = (body.as_object_mut(), details.is_empty()) {
        members.insert("details".to_owned(), Value::Object(details));
    }
    body
}

/// RFC 6749 §5.2 allows printable ASCII without `"` and `\` in the description.
fn oauth_body(failure: &Failure) -> Value {
    let fields = failure.fields.iter().map(|error| format!("{} {}", error.field, error.message));
    let text = std::iter::once(failure.message.clone()).chain(fields).collect::<Vec<_>>().join("; ");
    let plain: String =
        text.chars().map(|c| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\') { c } else { '?' }).collect();
    json!({"error": failure.code.oauth(), "error_description": plain})
}

fn challenge(failure: &Failure) -> Option<HeaderValue> {
    let text = match failure.challenge {
        Some(Challenge::Basic) => r#"Basic realm="agentidp", charset="UTF-8""#.to_owned(),
        Some(Challenge::Bearer) => r#"Bearer realm="agentidp""#.to_owned(),
        Some(Challenge::InvalidToken) => r#"Bearer realm="agentidp", error="invalid_token""#.to_owned(),
        None if failure.missing_scopes.is_empty() => return None,
        None => {
            let scopes = failure.missing_scopes.join(" ");
            format!(r#"Bearer realm="agentidp", error="insufficient_scope", scope="{scopes}""#)
        }
    };
    HeaderValue::from_str(&text).ok()
}
