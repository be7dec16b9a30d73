//! Where a connection is between two requests. hyper knows when it answers one, but takes a connection that has served
//! a request and has read half of the next one for idle, and would close it at the stop of the server.

use std::io::Result;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing has come since the last answer.
    Idle,
    /// The head of a request has come in part.
    Head,
    /// A request is being answered.
    Answer,
}

/// The stage of one connection.
#[derive(Clone)]
pub struct Stages(Arc<watch::Sender<Stage>>);

impl Stages {
    /// A connection that is new.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Stage::Idle)))
    }

    /// The head of a request is whole.
    pub fn answering(&self) {
        self.0.send_replace(Stage::Answer);
    }

    /// The request is answered.
    pub fn answered(&self) {
        self.0.send_replace(Stage::Idle);
    }

    /// Waits until no request is there of which the head is not whole.
    pub async fn between_heads(&self) {
        let _ = self.0.subscribe().wait_for(|stage| *stage != Stage::Head).await;
    }

    fn bytes_came(&self) {
        self.0.send_if_modified(|stage| {
            let first = *stage == Stage::Idle;
            if first {
                *stage = Stage::Head;
            }
            first
        });
    }
}

/// A stream that notes when bytes come.
pub struct Watched<S> {
    pub stream: S,
    pub stages: Stages,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.stages.bytes_came();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
