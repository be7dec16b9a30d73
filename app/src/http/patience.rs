//! How long a client may take to read: a stream whose writes have a deadline.

use socket2::SockRef;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a client may take none of an answer.
const STANDSTILL: Duration = Duration::from_secs(5);
/// How long it may take over a whole answer.
const ANSWER: Duration = Duration::from_secs(10);
/// What the kernel holds of answers, in bytes: without a bound it grows to megabytes for a client that does not read.
const SEND_BUFFER: usize = 64 * 1024;

/// Sets up an accepted socket: answers leave at once, and little of them waits in the kernel, not for long. Without the
/// last, Linux keeps what was not read of a closed connection for minutes.
pub fn prepare(socket: &TcpStream) {
    let _ = socket.set_nodelay(true);
    let socket = SockRef::from(socket);
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(ANSWER));
}

/// A stream that fails when its reader stands still, or takes too long over an answer.
pub struct Patience<S> {
    stream: S,
    /// How long the reader may stand still, and how long an answer may take.
    limits: (Duration, Duration),
    /// When the first byte of an answer was to be written that is not wholly out yet.
    began: Option<Instant>,
    /// Runs while a write waits for the reader.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S> Patience<S> {
    pub fn new(stream: S) -> Self {
        Self::within(stream, STANDSTILL, ANSWER)
    }

    fn within(stream: S, standstill: Duration, answer: Duration) -> Self {
        Self { stream, limits: (standstill, answer), began: None, waits: None }
    }

    /// Turns a write that waited too long into an error.
    fn judge<T>(&mut self, polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let (now, (standstill, answer)) = (Instant::now(), self.limits);
        let end = self.began.get_or_insert(now).checked_add(answer).unwrap_or(now);
        let over = if polled.is_ready() {
            self.waits = None;
            now >= end
        } else {
            let standstill = now.checked_add(standstill).unwrap_or(now);
            let waits = self.waits.get_or_insert_with(|| Box::pin(sleep_until(standstill.min(end))));
            waits.as_mut().poll(cx).is_ready()
        };
        if over { Poll::Ready(Err(ErrorKind::TimedOut.into())) } else { polled }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.judge(polled, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.judge(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// All that was written is out: the answer is over. The HTTP library flushes after each.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if polled.is_ready() {
            (self.began, self.waits) = (None, None);
            return polled;
        }
        self.judge(polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.judge(polled, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::sleep;

    const SHORT: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_reader_that_stands_still_is_left() {
        let (near, _far) = duplex(10);
        let start = Instant::now();
        let error = Patience::within(near, SHORT, LONG).write_all(&[0; 11]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!((SHORT..LONG).contains(&start.elapsed()));
    }

    #[tokio::test]
    async fn a_reader_that_goes_on_slowly_is_left_after_a_while() {
        let (near, mut far) = duplex(10);
        let start = Instant::now();
        let writer = async { Patience::within(near, LONG, SHORT).write_all(&[0; 10_000]).await };
        let reader = async {
            while far.read_u8().await.is_ok() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let (ended, ()) = tokio::join!(writer, reader);
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!((SHORT..LONG).contains(&start.elapsed()));
    }

    #[tokio::test]
    async fn the_time_between_answers_does_not_count() {
        let (near, mut far) = duplex(10);
        let answer = Duration::from_secs(2);
        let mut near = Patience::within(near, LONG, answer);
        for _ in 0..2 {
            let reader = async { far.read_exact(&mut [0; 20]).await.map(drop) };
            let writer = async {
                near.write_all(&[0; 20]).await?;
                near.flush().await
            };
            let (read, written) = tokio::join!(reader, writer);
            read.and(written).unwrap();
            sleep(answer).await;
        }
    }
}
