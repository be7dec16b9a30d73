//! The accept loop: caps on connections, deadlines for those who send nothing, a drain at the end.
//!
//! It speaks HTTP/1.1. Without TLS nobody negotiates HTTP/2, and finding out the version would read without a deadline.

use super::gate::{self, Gate};
use super::patience::{self, Patience};
use crate::telemetry::seldom::Seldom;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use poem::endpoint::BoxEndpoint;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Response};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

/// How long a client may take for all headers of a request, silence before them included.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);
/// How long running requests may take after the stop.
const DRAIN: Duration = Duration::from_secs(25);
/// What is read of the headers of a request at most, before `middleware/size_limits.rs` judges them.
const MAX_HEADER_BYTES: usize = 32 * 1024;
const MAX_HEADERS: usize = 128;
/// How long to wait when the process has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves `endpoint` on `listener` until `stop` ends, to those whom the gate lets in; then finishes what runs.
pub async fn serve(
    listener: TcpListener,
    endpoint: BoxEndpoint<'static, Response>,
    gate: Gate,
    stop: impl Future<Output = ()>,
) {
    gate::widen(&listener);
    let endpoint = Arc::new(endpoint);
    let failures = Seldom::default();
    let graceful = GracefulShutdown::new();
    let local = listener.local_addr().ok();
    tokio::pin!(stop);
    loop {
        let permit = tokio::select! {
            permit = gate.room() => permit,
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(left_out) = failures.due(Instant::now()) {
                    tracing::warn!(cause = %error, leftOut = left_out, "connections cannot be accepted, trying again");
                }
                gate.left(PAUSE).await;
                continue;
            }
        };
        let Some(pass) = gate.admit(peer.ip(), permit) else { continue };
        patience::prepare(&socket);
        let connection = connection(socket, peer, local, Arc::clone(&endpoint), graceful.watcher());
        tokio::spawn(async move {
            connection.await;
            drop(pass);
        });
    }
    drop(listener);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}

async fn connection(
    socket: TcpStream,
    peer: SocketAddr,
    local: Option<SocketAddr>,
    endpoint: Arc<BoxEndpoint<'static, Response>>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let endpoint = Arc::clone(&endpoint);
        async move {
            let local = LocalAddr(local.map(Addr::SocketAddr).unwrap_or_default());
            let remote = RemoteAddr(Addr::SocketAddr(peer));
            let request = poem::Request::from((request, local, remote, http::uri::Scheme::HTTP));
            Ok::<http::Response<_>, Infallible>(endpoint.get_response(request).await.into())
        }
    });
    let served = http1().serve_connection(TokioIo::new(Patience::new(socket)), service);
    if let Err(error) = watcher.watch(served).await {
        tracing::debug!(cause = %error, "a connection ended early");
    }
}

fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES);
    builder
}
