//! The accept loop: caps on connections, deadlines for those who send nothing, a drain at the end.
//!
//! It speaks HTTP/1.1. Without TLS nobody negotiates HTTP/2, and finding out the version would read without a deadline.

use super::stage::{Stages, Watched};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::endpoint::BoxEndpoint;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Response};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// Most connections at a time.
const MAX_CONNECTIONS: usize = 4_096;
/// How long a client may take for all headers of a request, silence before them included.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);
/// How long running requests, half-read ones included, may take after the stop.
const DRAIN: Duration = Duration::from_secs(25);
/// What is read of the headers of a request at most, before `middleware/size_limits.rs` judges them.
const MAX_HEADER_BYTES: usize = 32 * 1024;
const MAX_HEADERS: usize = 128;
/// How long to wait when the process has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves `endpoint` on `listener` until `stop` ends; then finishes what runs.
pub async fn serve(listener: TcpListener, endpoint: BoxEndpoint<'static, Response>, stop: impl Future<Output = ()>) {
    let endpoint = Arc::new(endpoint);
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (stopping, stopped) = watch::channel(false);
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
        let connection = connection(socket, peer, local, Arc::clone(&endpoint), stopped.clone());
        tokio::spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    drop((listener, stopped));
    stopping.send_replace(true);
    if timeout(DRAIN, stopping.closed()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}

async fn connection(
    socket: TcpStream,
    peer: SocketAddr,
    local: Option<SocketAddr>,
    endpoint: Arc<BoxEndpoint<'static, Response>>,
    mut stopping: watch::Receiver<bool>,
) {
    let _ = socket.set_nodelay(true);
    let stages = Stages::new();
    let of_service = stages.clone();
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (endpoint, stages) = (Arc::clone(&endpoint), of_service.clone());
        stages.answering();
        async move {
            let local = LocalAddr(local.map(Addr::SocketAddr).unwrap_or_default());
            let remote = RemoteAddr(Addr::SocketAddr(peer));
            let request = poem::Request::from((request, local, remote, http::uri::Scheme::HTTP));
            let response = endpoint.get_response(request).await;
            stages.answered();
            Ok::<http::Response<_>, Infallible>(response.into())
        }
    });
    let socket = Watched { socket, stages: stages.clone() };
    let mut served = pin!(http1().serve_connection(TokioIo::new(socket), service));
    let stop = async {
        let _ = stopping.wait_for(|stopping| *stopping).await;
        stages.between_heads().await;
    };
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = stop => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
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
