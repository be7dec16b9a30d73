//! One source cannot keep the others out.

use crate::clients::{Kind, connect};
use crate::process::{need_descriptors, sockets};
use crate::{alone, place};
use agentidp::http::gate::MAX_CONNECTIONS;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SHARE: usize = MAX_CONNECTIONS / 2;
const MORE: usize = 52;

/// Connections beyond a share from one address; how many of those made last were closed at once.
async fn crowd(address: SocketAddr) -> (Vec<TcpStream>, usize) {
    let mut open = Vec::new();
    for _ in 0..SHARE + MORE {
        open.push(connect("127.0.0.1", address, Kind::Silent).await);
    }
    let mut refused = 0;
    for socket in open.iter_mut().rev().take(MORE) {
        // Silence is ended after 5 s, a refusal at once.
        let read = timeout(Duration::from_secs(2), socket.read(&mut [0])).await;
        refused += usize::from(matches!(read, Ok(Ok(0) | Err(_))));
        if read.is_err() {
            break;
        }
    }
    (open, refused)
}

/// A request from another address.
async fn answered(from: &str, address: SocketAddr) -> Duration {
    let start = Instant::now();
    let mut socket = connect(from, address, Kind::Silent).await;
    socket.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::await_holding_lock, reason = "the other tests wait in their own threads")]
async fn a_source_beyond_its_share_is_sent_away() {
    let _alone = alone();
    need_descriptors();
    let place = place();
    let mut running = place.start(&["serve"]);
    let address = running.url().strip_prefix("http://").unwrap().parse().unwrap();
    let (_open, refused) = crowd(address).await;
    let took = answered("127.0.0.2", address).await;
    eprintln!("{SHARE} held, {refused} refused; another source was answered in {took:?}");
    assert_eq!(refused, MORE);
    assert!(took < Duration::from_secs(1), "{took:?}");
    let log = running.stderr();
    assert_eq!(log.matches("connections were refused").count(), 1, "{log}");
    assert!(log.contains(r#""source":"127.0.0.1""#), "{log}");
    assert_eq!(running.terminate().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::await_holding_lock, reason = "the other tests wait in their own threads")]
async fn a_trusted_proxy_carries_everybody() {
    let _alone = alone();
    need_descriptors();
    let place = place().with("TRUSTED_PROXIES", "127.0.0.1");
    let mut running = place.start(&["serve"]);
    let address = running.url().strip_prefix("http://").unwrap().parse().unwrap();
    let (_open, refused) = crowd(address).await;
    assert_eq!(refused, 0);
    assert!(sockets(&running.pid()) > SHARE);
    assert!(answered("127.0.0.1", address).await < Duration::from_secs(1));
    assert!(!running.stderr().contains("refused"));
    assert_eq!(running.terminate().code, 0);
}
