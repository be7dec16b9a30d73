//! Ports for servers that cannot choose one themselves, or that come back on the one they had.

use std::net::TcpListener;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which the kernel serves connections and port 0 (32768 and up on Linux): nobody is given one by
/// chance.
const FIRST: u16 = 10_000;
const COUNT: u16 = 10_000;

/// A port that nobody listens on, each time another one. Processes that run at once begin in different places.
pub fn free_port() -> u16 {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    let somewhere = || AtomicU16::new(u16::try_from(uuid::Uuid::new_v4().as_u128() % u128::from(COUNT)).unwrap());
    let next = NEXT.get_or_init(somewhere);
    let mut ports = (0..COUNT).map(|_| FIRST + next.fetch_add(1, Ordering::Relaxed) % COUNT);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("there is a free port")
}
