//! The accept loop: caps on connections, deadlines for those who send nothing, a drain at the end.

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
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
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Most connections at a time.
const MAX_CONNECTIONS: usize = 4_096;
/// How long a client may take for its first byte, and for all headers of a request.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);
/// How long running requests may take after the stop.
const DRAIN: Duration = Duration::from_secs(25);
/// Headers of a request, together.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// How long to wait when the process has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves `endpoint` on `listener` until `stop` ends; then finishes what runs.
pub async fn serve(listener: TcpListener, endpoint: BoxEndpoint<'static, Response>, stop: impl Future<Output = ()>) {
    let endpoint = Arc::new(endpoint);
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let local = listener.local_addr().ok();
    tokio::pin!(stop);
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&permits).acquire_owned() => permit,
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(cause = %error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let connection = connection(socket, peer, local, Arc::clone(&endpoint), graceful.watcher());
        tokio::spawn(async move {
            connection.await;
            drop(permit);
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
    // The version detection below reads without a timer: who stays silent is sent away here.
    if !matches!(timeout(HEADER_DEADLINE, socket.peek(&mut [0; 1])).await, Ok(Ok(1..))) {
        return;
    }
    let _ = socket.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let endpoint = Arc::clone(&endpoint);
        async move {
            let local = LocalAddr(local.map(Addr::SocketAddr).unwrap_or_default());
            let remote = RemoteAddr(Addr::SocketAddr(peer));
            let request = poem::Request::from((request, local, remote, http::uri::Scheme::HTTP));
            Ok::<http::Response<_>, Infallible>(endpoint.get_response(request).await.into())
        }
    });
    let builder = builder();
    let served = builder.serve_connection(TokioIo::new(socket), service).into_owned();
    if let Err(error) = watcher.watch(served).await {
        tracing::debug!(cause = %error, "a connection ended early");
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_headers(64)
        .max_buf_size(MAX_HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(HEADER_DEADLINE))
        .keep_alive_timeout(HEADER_DEADLINE)
        .max_concurrent_streams(100)
        .max_pending_accept_reset_streams(20)
        .max_header_list_size(16 * 1024);
    builder
}
