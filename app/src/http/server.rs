//! The accept loop: caps on connections, deadlines for those who send nothing, a drain at the end.
//!
//! It speaks HTTP/1.1, and says so where TLS asks. Without TLS nobody negotiates HTTP/2, and finding out the version
//! would read without a deadline.

use super::finish::ToTheEnd;
use super::gate::{self, Gate, Pass};
use super::patience::{self, Patience};
use super::stage::{Stages, Watched};
use crate::telemetry::seldom::Seldom;
use crate::tls::Tls;
use http::uri::Scheme;
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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// How long a client may take for all headers of a request, silence before them included.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);
/// How long running requests, half-read ones included, may take after the stop.
const DRAIN: Duration = Duration::from_secs(25);
/// What is read of the headers of a request at most, before `middleware/size_limits.rs` judges them.
const MAX_HEADER_BYTES: usize = 32 * 1024;
const MAX_HEADERS: usize = 128;
/// How long to wait when the process has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// What the connections of a listener share.
#[derive(Clone)]
struct Surface {
    endpoint: Arc<BoxEndpoint<'static, Response>>,
    local: Option<SocketAddr>,
    tls: Option<Tls>,
    stopping: watch::Receiver<bool>,
}

/// Serves `endpoint` on `listener`, over TLS if there is one, to those whom the gate lets in, until `stop` ends; then
/// finishes what runs.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    endpoint: BoxEndpoint<'static, Response>,
    gate: Arc<Gate>,
    stop: impl Future<Output = ()>,
) {
    gate::widen(&listener);
    let (stop_all, stopping) = watch::channel(false);
    let surface = Surface { endpoint: Arc::new(endpoint), local: listener.local_addr().ok(), tls, stopping };
    let failures = Seldom::default();
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
        tokio::spawn(connection(Patience::new(socket), peer, surface.clone(), Arc::new(pass)));
    }
    drop((listener, surface));
    stop_all.send_replace(true);
    if timeout(DRAIN, stop_all.closed()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}

/// Shakes hands if the listener encrypts, then speaks HTTP. Whoever shakes no hands is sent away as who sends no
/// headers.
async fn connection<S>(stream: S, peer: SocketAddr, surface: Surface, pass: Arc<Pass>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(tls) = surface.tls.clone() else { return speak(stream, peer, Scheme::HTTP, surface, pass).await };
    match timeout(HEADER_DEADLINE, tls.accept(stream)).await {
        Ok(Ok(stream)) => speak(stream, peer, Scheme::HTTPS, surface, pass).await,
        Ok(Err(error)) => tracing::debug!(cause = %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

/// Speaks HTTP over a stream, plain or encrypted, until it ends. A request that outlives its connection keeps the pass, so
/// that there are never more requests than there may be connections, and keeps the drain waiting.
async fn speak<S>(stream: S, peer: SocketAddr, scheme: Scheme, surface: Surface, pass: Arc<Pass>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Surface { endpoint, local, mut stopping, .. } = surface;
    let stages = Stages::new();
    let of_service = stages.clone();
    let held = (pass, stopping.clone());
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (endpoint, scheme, stages, held) =
            (Arc::clone(&endpoint), scheme.clone(), of_service.clone(), held.clone());
        stages.answering();
        ToTheEnd::new(async move {
            let _held = held;
            let local = LocalAddr(local.map(Addr::SocketAddr).unwrap_or_default());
            let remote = RemoteAddr(Addr::SocketAddr(peer));
            let request = poem::Request::from((request, local, remote, scheme));
            let response = endpoint.get_response(request).await;
            stages.answered();
            Ok::<http::Response<_>, Infallible>(response.into())
        })
    });
    let stream = Watched { stream, stages: stages.clone() };
    let mut served = pin!(http1().serve_connection(TokioIo::new(stream), service));
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
