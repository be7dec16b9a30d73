//! What is open to everybody: health, metrics, key set, metadata, the OpenAPI document and its viewer.

use super::error::Failure;
use super::grants::{CLIENT_CREDENTIALS, TOKEN_EXCHANGE};
use super::middleware::request_id::untrusted_forwarding;
use super::openapi::{self, viewer::Viewer};
use super::state::AppState;
use crate::telemetry::causes;
use crate::telemetry::metrics::CONTENT_TYPE as METRICS_TYPE;
use agentidp_core::domain::scope::MANAGEMENT_SCOPES;
use agentidp_core::ports::Source;
use agentidp_core::services::health::Probe;
use bytes::Bytes;
use poem::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER};
use poem::web::Data;
use poem::{Response, Route, get, handler};
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Documents that never change while the process runs.
pub struct Documents {
    openapi: Bytes,
    docs: Bytes,
    docs_policy: String,
    metadata: Bytes,
    started: Instant,
}

impl Documents {
    /// Makes the documents of the issuer.
    ///
    /// # Errors
    /// The OpenAPI document could not be made.
    pub fn new(issuer: &str) -> Result<Self, String> {
        let document = openapi::document()?;
        let viewer = Viewer::of(&document)?;
        Ok(Self {
            openapi: document.to_string().into(),
            docs: viewer.page.into(),
            docs_policy: viewer.policy,
            metadata: metadata(issuer).to_string().into(),
            started: Instant::now(),
        })
    }
}

/// The routes outside `/api/v1`, but for that of the metrics.
pub fn routes(route: Route) -> Route {
    route
        .at("/health", get(health))
        .at("/health/live", get(live))
        .at("/health/ready", get(ready))
        .at("/.well-known/jwks.json", get(jwks))
        .at("/.well-known/biscuit-keys", get(biscuit_keys))
        .at("/.well-known/oauth-authorization-server", get(authorization_server))
        .at("/openapi.json", get(openapi_json))
        .at("/docs", get(docs))
}

/// The route of the metrics, on the listener that has it.
pub fn metrics(route: Route) -> Route {
    route.at("/metrics", get(metrics_text))
}

/// Authorization server metadata (RFC 8414 §2).
fn metadata(issuer: &str) -> Value {
    let methods = ["client_secret_basic", "client_secret_post"];
    json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/api/v1/token"),
        "introspection_endpoint": format!("{issuer}/api/v1/token/introspect"),
        "revocation_endpoint": format!("{issuer}/api/v1/token/revoke"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "service_documentation": format!("{issuer}/docs"),
        "scopes_supported": MANAGEMENT_SCOPES,
        "response_types_supported": [],
        "grant_types_supported": [CLIENT_CREDENTIALS, TOKEN_EXCHANGE],
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
    })
}

fn json_text(text: impl Into<Bytes>) -> Response {
    Response::builder().header(CONTENT_TYPE, "application/json").body(text.into())
}

/// A key set may be kept for five minutes; a new key is published at least that long before it signs.
fn key_set(text: String) -> Response {
    let mut response = json_text(text);
    response.headers_mut().insert(CACHE_CONTROL, http::HeaderValue::from_static("public, max-age=300"));
    response
}

#[handler]
fn jwks(Data(state): Data<&Arc<AppState>>) -> Response {
    key_set(state.verifier.key_set())
}

#[handler]
fn biscuit_keys(Data(state): Data<&Arc<AppState>>) -> Response {
    key_set(state.biscuits.key_set())
}

#[handler]
fn authorization_server(Data(state): Data<&Arc<AppState>>) -> Response {
    json_text(state.documents.metadata.clone())
}

#[handler]
fn openapi_json(Data(state): Data<&Arc<AppState>>) -> Response {
    json_text(state.documents.openapi.clone())
}

#[handler]
fn docs(Data(state): Data<&Arc<AppState>>) -> Response {
    Response::builder()
        .header(CONTENT_TYPE, "text/html; charset=utf-8")
        .header(CONTENT_SECURITY_POLICY, &state.documents.docs_policy)
        .body(state.documents.docs.clone())
}

#[handler]
fn live() -> Response {
    json_text(r#"{"status":"ok"}"#)
}

/// How long health waits for a dependency: it answers in 50 ms, whatever hangs.
const PATIENCE: Duration = Duration::from_millis(40);

/// What a dependency answers, or what is known of it while it does not.
async fn in_time(question: impl Future<Output = Probe>, known: impl FnOnce() -> Result<(), Source>) -> Probe {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(probe) => probe,
        Err(_) => Probe { latency: PATIENCE, result: known() },
    }
}

/// A database that is slow just now is up as long as the servers hear from it.
async fn database(state: &AppState) -> Probe {
    in_time(state.health.database(), || Ok(state.freshness.check()?)).await
}

async fn cache(state: &AppState) -> Probe {
    in_time(state.health.cache(), || Err("no answer in time".into())).await
}

/// What is known of the dependencies is asked anew, so that each scrape tells the present.
#[handler]
async fn metrics_text(Data(state): Data<&Arc<AppState>>) -> Result<Response, Failure> {
    let (database, cache) = tokio::join!(database(state), cache(state));
    let secrets = state.health.secrets().up;
    // The policy lives in this process.
    let up = [("database", database.is_up()), ("cache", cache.is_up()), ("secrets", secrets), ("policy", true)];
    for (dependency, up) in up {
        state.metrics.dependency(dependency, up);
    }
    state.metrics.policy(state.policy.hash());
    let text = state.metrics.text().map_err(Failure::unavailable)?;
    Ok(Response::builder().header(CONTENT_TYPE, METRICS_TYPE).body(text))
}

#[handler]
async fn ready(Data(state): Data<&Arc<AppState>>) -> Result<Response, Failure> {
    state.freshness.check().map_err(Failure::unavailable)?;
    match database(state).await.result {
        Ok(()) => Ok(json_text(r#"{"status":"ok"}"#)),
        Err(cause) => Err(Failure::unavailable(cause)),
    }
}

/// Without the database nothing is served; without the cache everything is, with limits of each process.
#[handler]
async fn health(Data(state): Data<&Arc<AppState>>) -> Response {
    let (database, cache) = tokio::join!(database(state), cache(state));
    if let Err(error) = &database.result {
        tracing::warn!(cause = causes(error.as_ref()), "the database does not answer");
    }
    let secrets = state.health.secrets();
    // The policy lives in this process: it is up while it answers.
    let mut body = json!({
        "status": if database.is_up() && cache.is_up() && secrets.up { "ok" } else { "degraded" },
        "version": env!("CARGO_PKG_VERSION"),
        "uptimeSeconds": state.documents.started.elapsed().as_secs(),
        "services": {
            "database": service(database.is_up(), database.latency),
            "cache": service(cache.is_up(), cache.latency),
            "secrets": service(secrets.up, secrets.latency),
            "policy": {"status": "up", "latencyMs": 0, "hash": state.policy.hash()},
        },
    });
    if let (true, Some(members)) = (untrusted_forwarding(), body.as_object_mut()) {
        let warning = "an untrusted peer sends X-Forwarded-For; is a proxy missing in TRUSTED_PROXIES?";
        members.insert("warnings".to_owned(), json!([warning]));
    }
    health_answer(database.is_up(), &body)
}

/// As every 503 it says when to ask again.
fn health_answer(up: bool, body: &Value) -> Response {
    let mut response = json_text(body.to_string());
    if !up {
        response.set_status(http::StatusCode::SERVICE_UNAVAILABLE);
        response.headers_mut().insert(RETRY_AFTER, http::HeaderValue::from_static("1"));
    }
    response
}

fn service(up: bool, latency: Duration) -> Value {
    let millis = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
    json!({"status": if up { "up" } else { "down" }, "latencyMs": millis})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_waits_for_what_hangs() {
        for known in [true, false] {
            let start = Instant::now();
            let probe = in_time(std::future::pending(), || if known { Ok(()) } else { Err("away".into()) }).await;
            assert_eq!((probe.is_up(), probe.latency), (known, PATIENCE));
            assert!(start.elapsed() < Duration::from_secs(10));
        }
    }

    #[test]
    fn health_that_is_down_says_when_to_ask_again() {
        let told = |up| {
            let response = health_answer(up, &json!({}));
            (response.status().as_u16(), response.header("Retry-After").map(str::to_owned))
        };
        assert_eq!((told(true), told(false)), ((200, None), (503, Some("1".to_owned()))));
    }
}
