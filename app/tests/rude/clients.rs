//! Clients as a server should not have them.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};

/// How often a slow one sends a byte.
const DRIP: Duration = Duration::from_millis(900);
const BODY: &str = "POST /api/v1/token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n";
/// The largest answer that there is.
const PIPELINE: &str = "GET /docs HTTP/1.1\r\nHost: a\r\n\r\nGET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n";

/// What one does once it is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Sends nothing.
    Silent,
    /// Sends headers, a byte now and then.
    EndlessHeaders,
    /// Sends a body of a known length, a byte now and then.
    EndlessBody,
    /// Sends a chunk of one byte now and then.
    EndlessChunks,
    /// Asks again and again and reads nothing.
    Unread,
    /// Asks for the largest answer and reads a little of it now and then.
    SlowReader,
    /// Sends half a request and no more, for good.
    HalfClosed,
    /// Resets the connection in the middle of a request.
    Reset,
    /// Does not speak HTTP.
    Garbage,
}

pub const KINDS: [Kind; 9] = [
    Kind::Silent,
    Kind::EndlessHeaders,
    Kind::EndlessBody,
    Kind::EndlessChunks,
    Kind::Unread,
    Kind::SlowReader,
    Kind::HalfClosed,
    Kind::Reset,
    Kind::Garbage,
];

impl Kind {
    /// Misbehaves until the server ends the connection, or until the time is over.
    pub async fn misbehave(self, mut socket: TcpStream, end: Instant) {
        // The server may end the connection at any time: that is what is wanted of it.
        let _ = match self {
            Self::Silent => drip(&mut socket, b"", b"", end).await,
            Self::EndlessHeaders => drip(&mut socket, b"GET /health HTTP/1.1\r\nHost: a\r\nX: ", b"x", end).await,
            Self::EndlessBody => {
                drip(&mut socket, format!("{BODY}Content-Length: 60000\r\n\r\n").as_bytes(), b"x", end).await
            }
            Self::EndlessChunks => {
                let head = format!("{BODY}Transfer-Encoding: chunked\r\n\r\n");
                drip(&mut socket, head.as_bytes(), b"1\r\nx\r\n", end).await
            }
            Self::Unread => unread(&mut socket, end).await,
            Self::SlowReader => slow_reader(&mut socket, end).await,
            Self::HalfClosed => half(&mut socket, end).await,
            Self::Reset => reset(&mut socket).await,
            Self::Garbage => drip(&mut socket, &[0xff, 0, b'\r', b'\n', b'\r', b'\n', b'{'], b"\0", end).await,
        };
    }
}

/// A connection, from one of the machine's own addresses. Its receive buffer is the smallest that there is if it is
/// not going to read.
pub async fn connect(from: &str, to: SocketAddr, kind: Kind) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    if matches!(kind, Kind::Unread | Kind::SlowReader) {
        socket.set_recv_buffer_size(1).unwrap();
    }
    socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
    socket.connect(to).await.unwrap()
}

/// Sends a beginning, then a little now and then, and reads whatever comes, until the server closes.
async fn drip(socket: &mut TcpStream, beginning: &[u8], drop: &[u8], end: Instant) -> std::io::Result<()> {
    socket.write_all(beginning).await?;
    let mut answer = [0; 1024];
    while Instant::now() < end {
        let next = (Instant::now() + DRIP).min(end);
        while let Ok(read) = timeout_at(next, socket.read(&mut answer)).await {
            if read? == 0 {
                return Ok(());
            }
        }
        socket.write_all(drop).await?;
    }
    Ok(())
}

async fn unread(socket: &mut TcpStream, end: Instant) -> std::io::Result<()> {
    socket.write_all(PIPELINE.repeat(20).as_bytes()).await?;
    tokio::time::sleep_until(end).await;
    Ok(())
}

async fn slow_reader(socket: &mut TcpStream, end: Instant) -> std::io::Result<()> {
    socket.write_all(PIPELINE.as_bytes()).await?;
    while Instant::now() < end && socket.read(&mut [0; 1024]).await? > 0 {
        tokio::time::sleep(DRIP).await;
    }
    Ok(())
}

async fn half(socket: &mut TcpStream, end: Instant) -> std::io::Result<()> {
    socket.write_all(b"GET /health HTTP/1.1\r\nHost").await?;
    socket.shutdown().await?;
    let _ = timeout_at(end, socket.read_to_end(&mut Vec::new())).await;
    Ok(())
}

async fn reset(socket: &mut TcpStream) -> std::io::Result<()> {
    socket.write_all(format!("{BODY}Content-Length: 60000\r\n\r\ngrant_type=").as_bytes()).await?;
    socket.set_zero_linger()
}
