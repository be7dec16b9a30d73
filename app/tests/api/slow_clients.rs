//! Clients that stay silent in the middle or go: each is sent away in time, and others do not notice.

use crate::support::{Database, TestApp};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What a busy machine may add to a deadline.
const SLACK: Duration = Duration::from_secs(3);

/// Sends the bytes, then nothing; what is answered until the server closes, and how long that took.
async fn silent_after(app: &TestApp, bytes: &str) -> (String, Duration) {
    let start = Instant::now();
    let mut socket = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
    socket.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let closed = timeout(Duration::from_secs(15), socket.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "{bytes:?} holds its connection");
    (String::from_utf8_lossy(&answer).into_owned(), start.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_ends_a_connection_wherever_it_begins() {
    let app = TestApp::start(Database::Sqlite).await;
    let beginnings =
        ["", "P", "PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "G", "GET /health HTTP/1.1\r\nHost: a"];
    let waits = beginnings.map(|beginning| silent_after(&app, beginning));
    let others = async {
        let mut took = Vec::new();
        for _ in 0..21 {
            let start = Instant::now();
            assert_eq!(app.call("GET", "/health/live").send().await.status, 200);
            took.push(start.elapsed());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        took.sort_unstable();
        // A busy machine makes one wait; whoever waited for the silent ones would wait each time.
        assert!(took[10] < Duration::from_secs(1), "{took:?}");
    };
    let (waits, ()) = tokio::join!(futures_util::future::join_all(waits), others);
    for (beginning, (_, took)) in beginnings.iter().zip(waits) {
        assert!(took < Duration::from_secs(5) + SLACK, "{beginning:?} took {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_ends_its_request_in_ten_seconds() {
    let app = TestApp::start(Database::Sqlite).await;
    let head = "POST /api/v1/token HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ngrant_type=";
    let (answer, took) = silent_after(&app, head).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("temporarily_unavailable"), "{answer}");
    assert!(took < Duration::from_secs(10) + SLACK, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_a_row_are_answered_in_a_row() {
    let app = TestApp::start(Database::Sqlite).await;
    let request = |path: &str, last: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{last}\r\n");
    let requests =
        [request("/health/live", ""), request("/nothing", ""), request("/health/ready", "Connection: close\r\n")];
    // What comes after the last one is not a request any more.
    let after = request("/nothing", "");
    let (answers, took) = silent_after(&app, &format!("{}{after}", requests.concat())).await;
    let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "404", "200"], "{answers}");
    assert!(took < Duration::from_secs(5), "closed when asked to, not by the deadline: {took:?}");
}

/// The answer takes a while; whoever goes before it comes is logged, counted and limited as if he waited.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_wait_for_the_answer_is_counted() {
    const TIMES: usize = 20;
    let app = TestApp::start_with(Database::Sqlite, &[("AUTH_FAILURES_PER_MINUTE", "5")]).await;
    let body = "grant_type=client_credentials&client_id=nobody&client_secret=nothing";
    let form = "Content-Type: application/x-www-form-urlencoded";
    let line = "POST /api/v1/token HTTP/1.1";
    let request = format!("{line}\r\nHost: a\r\n{form}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for _ in 0..TIMES {
        let mut socket = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        // The end of the stream, and no reset.
        socket.shutdown().await.unwrap();
    }
    let end = Instant::now() + Duration::from_secs(60);
    while token_requests(&app).await < TIMES {
        assert!(Instant::now() < end, "only {} were counted", token_requests(&app).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(app.raw(line, &[form], body).await.failure(), "429 rate_limit_exceeded");
}

/// How many requests for tokens `/metrics` tells.
async fn token_requests(app: &TestApp) -> usize {
    let text = app.call("GET", "/metrics").send().await.text;
    let series = text.lines().filter(|line| line.starts_with("agentidp_http_requests_total{"));
    let counts = series.filter(|line| line.contains("path=\"/api/v1/token\""));
    counts.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum()
}
