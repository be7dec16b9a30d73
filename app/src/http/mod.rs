//! The HTTP surface: routes, and the middleware in the order in which it runs.

pub mod agents;
pub mod answer;
pub mod audit;
pub mod auth;
pub mod body;
pub mod credentials;
pub mod dto;
pub mod error;
mod finish;
pub mod floor;
pub mod form;
pub mod gate;
pub mod grants;
pub mod middleware;
pub mod notes;
pub mod openapi;
pub mod operations;
pub mod patience;
pub mod server;
mod stage;
pub mod state;
pub mod system;
pub mod tokens;

use middleware::{
    cors, deadline, envelope, headers, meter, panics, request_id, request_log, retry, route_notes, size_limits,
};
use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt, Response, Route};
use state::AppState;
use std::sync::Arc;

/// The whole surface as one endpoint that answers every request, come what may.
pub fn endpoint(state: Arc<AppState>) -> BoxEndpoint<'static, Response> {
    let routes = system::routes(Route::new().nest(operations::PREFIX, openapi::service()));
    surface(if state.metrics_apart { routes } else { system::metrics(routes) }, state)
}

/// The surface of a listener for the metrics alone.
pub fn metrics_endpoint(state: Arc<AppState>) -> BoxEndpoint<'static, Response> {
    surface(system::metrics(Route::new()), state)
}

/// The routes in their middleware.
fn surface(routes: Route, state: Arc<AppState>) -> BoxEndpoint<'static, Response> {
    let inner = routes.around(route_notes::run).boxed();
    let proxies = state.trusted_proxies.clone();
    let metrics = Arc::clone(&state.metrics);
    let origins: Arc<[String]> = state.cors_origins.clone().into();
    // The last one written here runs first.
    inner
        .around(retry::run)
        .around(size_limits::run)
        .around(panics::run)
        .around(deadline::run)
        .around(envelope::run)
        .around(headers::run)
        .around(move |next, request| cors::run(next, request, Arc::clone(&origins)))
        .around(request_log::run)
        .around(move |next, request| meter::run(next, request, Arc::clone(&metrics)))
        .around(move |next, request| request_id::run(next, request, proxies.clone()))
        .data(state)
        .map_to_response()
        .boxed()
}
