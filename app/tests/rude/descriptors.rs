//! Fewer file descriptors than clients.

use crate::harness::{BINARY, Running, admin_token, get, http, token};
use crate::process::{PROMISED, descriptors, idle_sockets, need_descriptors, sockets, until_sockets};
use crate::{alone, place};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

const COMPLAINT: &str = "connections cannot be accepted";

fn sockets_to(url: &str, count: usize) -> Vec<TcpStream> {
    let address = url.strip_prefix("http://").unwrap();
    (0..count).map(|_| TcpStream::connect(address).unwrap()).collect()
}

/// Changes the limit of a process that runs.
fn limit(running: &Running, descriptors: usize) {
    let status = Command::new("prlimit").args(["--pid", &running.pid(), &format!("--nofile={descriptors}:")]).status();
    assert!(status.expect("prlimit is there: it is part of util-linux").success());
}

/// With a low limit, the cap of connections follows it: the rest are sent away, and the database has what it needs.
#[test]
fn the_connections_leave_descriptors_to_the_database() {
    let _alone = alone();
    need_descriptors();
    for (limit, share) in [(64, 8), (128, 32)] {
        let place = place();
        let admin = place.done(&["bootstrap", "--json"]).json();
        let shell = format!("ulimit -n {limit}; exec \"$0\" serve");
        let mut running = place.launch(Command::new("/bin/sh").args(["-c", &shell, BINARY]));
        let url = running.url();
        running.logs("the limit of file descriptors bounds the connections", 1);
        let pid = running.pid();
        let idle = idle_sockets(&url, &pid);
        let crowd = sockets_to(&url, 400);
        until_held(&pid, idle + share);
        running.logs("connections were refused", 1);
        assert!(sockets(&pid) <= idle + share + 1);
        drop(crowd);
        until_sockets(&pid, idle, Duration::from_secs(40));
        // Each may have one more connection that is about to go.
        let most = busy(&url, &pid, &admin, share / 2);
        eprintln!("at most {most} of {limit} descriptors");
        assert!(!running.stderr().contains(COMPLAINT), "{}", running.stderr());
        assert_eq!(running.terminate().code, 0);
    }
}

/// Readers and writers of the database beside each other; the most descriptors that were open meanwhile.
fn busy(url: &str, pid: &str, admin: &Value, clients: usize) -> usize {
    let bearer = admin_token(url, admin);
    let (id, secret) = (admin["clientId"].as_str().unwrap(), admin["clientSecret"].as_str().unwrap());
    std::thread::scope(|scope| {
        let client = || {
            for _ in 0..5 {
                assert_eq!(token(url, id, secret).0, 200);
                assert_eq!(get(url, "/api/v1/agents", &bearer).0, 200);
            }
        };
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        let mut most = 0;
        while clients.iter().any(|client| !client.is_finished()) {
            most = most.max(descriptors(pid));
            std::thread::sleep(Duration::from_millis(5));
        }
        most
    })
}

/// If there are none left all the same, it says so once, answers those that it has, and goes on when it can.
#[test]
fn without_descriptors_it_pauses_and_recovers() {
    let _alone = alone();
    need_descriptors();
    let place = place();
    let mut running = place.start(&["serve"]);
    let url = running.url();
    let pid = running.pid();
    let idle = idle_sockets(&url, &pid);
    let mut known = sockets_to(&url, 1).remove(0);
    until_held(&pid, idle + 1);
    limit(&running, descriptors(&pid));
    let waiting = sockets_to(&url, 100);
    let start = Instant::now();
    running.logs(COMPLAINT, 1);
    known.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    known.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Forty attempts later there is still one line.
    while start.elapsed() < Duration::from_secs(2) {
        std::thread::sleep(Duration::from_millis(50));
    }
    running.logs(COMPLAINT, 1);
    // The limit stays: the descriptors of those who go are enough.
    drop((known, waiting));
    let start = Instant::now();
    assert_eq!(http(&url, "GET", "/health", &[], "").0, 200);
    eprintln!("when they were gone, the next request took {:?}", start.elapsed());
    assert!(start.elapsed() < PROMISED);
    assert_eq!(running.terminate().code, 0);
}

fn until_held(pid: &str, count: usize) {
    let start = Instant::now();
    while sockets(pid) < count {
        assert!(start.elapsed() < Duration::from_secs(4), "silence ends a connection after 5 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}
