//! SIGTERM: nothing new is taken, and what was begun is finished, half-read requests included.

use crate::harness::{Place, Running};
use crate::serve::prepared;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A request that stops in the middle, on a connection that may have served another one before.
struct HalfSent {
    stream: TcpStream,
    rest: &'static str,
}

const HEAD: (&str, &str) = ("GET /.well-known/jwks.json HTTP/1.1\r\nHo", "st: a\r\n\r\n");
const BODY: (&str, &str) = (
    "POST /api/v1/token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 20\r\n\r\ngrant_",
    "type=unknown_o",
);

impl HalfSent {
    fn new(url: &str, used: bool, (begin, rest): (&str, &'static str)) -> Self {
        let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        if used {
            stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"}") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                answer.extend(byte);
            }
        }
        stream.write_all(begin.as_bytes()).unwrap();
        Self { stream, rest }
    }

    /// Sends the rest; the status of the answer, after which the server closes.
    fn finish(mut self) -> String {
        self.stream.write_all(self.rest.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = self.stream.read_to_string(&mut answer);
        answer.split(' ').nth(1).unwrap_or("no answer").to_owned()
    }
}

/// Waits until the server takes no connection any more.
fn refuses(server: &mut Running, url: &str) {
    server.wait_for(|_| TcpStream::connect(url.strip_prefix("http://").unwrap()).err());
}

#[test]
fn what_was_begun_is_finished() {
    let (place, _) = prepared();
    let mut server = place.start(&["serve"]);
    let url = server.url();
    let begun = [(false, HEAD), (true, HEAD), (false, BODY), (true, BODY)];
    let begun = begun.map(|(used, request)| HalfSent::new(&url, used, request));
    // The server has read what was sent when it answers a request that came later.
    HalfSent::new(&url, true, ("", ""));
    server.terminate_later();
    refuses(&mut server, &url);
    assert_eq!(begun.map(HalfSent::finish), ["200", "200", "401", "401"]);
    let ended = server.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("\"stopped\""), "{}", ended.stderr);
}

#[test]
fn silence_does_not_hold_it_up() {
    let (place, _) = prepared();
    let mut server = place.start(&["serve"]);
    let url = server.url();
    let silent =
        [HalfSent::new(&url, true, ("", "")), HalfSent::new(&url, false, HEAD), HalfSent::new(&url, true, BODY)];
    let start = Instant::now();
    let ended = server.terminate();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
    drop(silent);
}

/// Scripts stop a server as soon as they know that it serves, and renew certificates when they please.
#[test]
fn who_reads_that_it_serves_may_signal_at_once() {
    let place = Place::bare();
    for _ in 0..5 {
        let mut running = place.start(&["dev", "--json", "--port", "0", "--data-dir", "data"]);
        running.line();
        running.hang_up();
        assert_eq!(running.terminate().code, 0);
    }
}
