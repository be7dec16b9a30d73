//! Two thousand rude clients at a time, of each kind and of all kinds together.

use crate::clients::{KINDS, Kind, connect};
use crate::harness::Running;
use crate::process::{Honest, PROMISED, idle_sockets, mebibytes, need_descriptors, sockets, until_sockets};
use crate::{alone, place};
use futures_util::future::join_all;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

const CLIENTS: usize = 2_000;
/// Every request ends within 10 s; closing two thousand connections at once takes a busy machine a while.
const CLOSED: Duration = Duration::from_secs(13);
/// Connected at once, they begin to misbehave one after the other: this is about how many the server bears, not about
/// how many requests a second a debug build answers.
const BEGINNING: Duration = Duration::from_secs(3);
/// What the server may grow to: two thousand connections with a request each, in a debug build.
const MOST_MEBIBYTES: u64 = 256;
/// What the memory may differ between a wave and one like it.
const FLAT_MEBIBYTES: u64 = 16;

/// One wave of clients; what the server holds of it at most, and how long until it has none left.
async fn wave(server: &Server, kinds: &[Kind]) -> (usize, Duration) {
    let clients: Vec<Kind> = kinds.iter().copied().cycle().take(CLIENTS).collect();
    let mut open: Vec<(Kind, TcpStream)> = Vec::with_capacity(CLIENTS);
    for kind in clients {
        open.push((kind, connect("127.0.0.1", server.address, kind).await));
    }
    let held = server.accepted().await;
    // Longer than the server may take: who is left alone until then, finds out.
    let end = Instant::now() + CLOSED + Duration::from_secs(30);
    let tasks = begin(open, end);
    let (pid, most) = (server.pid.clone(), server.idle + 1);
    let took = tokio::task::spawn_blocking(move || until_sockets(&pid, most, BEGINNING + CLOSED)).await.unwrap();
    tasks.iter().for_each(JoinHandle::abort);
    join_all(tasks).await;
    (held, took.saturating_sub(BEGINNING))
}

fn begin(clients: Vec<(Kind, TcpStream)>, end: Instant) -> Vec<JoinHandle<()>> {
    let start = Instant::now();
    let pause = BEGINNING / u32::try_from(CLIENTS).unwrap();
    let numbered = clients.into_iter().zip(0_u32..);
    numbered
        .map(|((kind, socket), number)| {
            tokio::spawn(async move {
                sleep_until(start + pause * number).await;
                kind.misbehave(socket, end).await;
            })
        })
        .collect()
}

struct Server {
    address: SocketAddr,
    pid: String,
    /// Sockets without any client.
    idle: usize,
    /// The URL of a server like it that nobody attacks: it tells what the machine itself has to answer for.
    twin: String,
}

impl Server {
    /// Waits until the server has taken all of them up.
    async fn accepted(&self) -> usize {
        let start = Instant::now();
        loop {
            let held = sockets(&self.pid) - self.idle;
            // Those that connected first may be gone already on a slow machine.
            if held >= CLIENTS || start.elapsed() > Duration::from_secs(4) {
                return held;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::await_holding_lock, reason = "the other tests wait in their own threads")]
async fn rude_clients_are_sent_away_and_others_do_not_notice() {
    let _alone = alone();
    need_descriptors();
    let place = place();
    let mut running = place.start(&["serve"]);
    let url = running.url();
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    let pid = running.pid();
    let twin_place = self::place();
    let mut twin = twin_place.start(&["serve"]);
    let server = Server { address, idle: idle_sockets(&url, &pid), pid, twin: twin.url() };
    eprintln!("at rest {} MiB", mebibytes(&server.pid, "VmRSS"));
    for kind in KINDS.iter().filter(|kind| !matches!(kind, Kind::SlowReader)) {
        bears(&server, &[*kind]).await;
    }
    let memory = bears(&server, &KINDS).await;
    let later = bears(&server, &KINDS).await;
    assert!(later <= memory + FLAT_MEBIBYTES, "{memory} MiB, then {later} MiB");
    let most = mebibytes(&server.pid, "VmHWM");
    assert!(most < MOST_MEBIBYTES, "{most} MiB");
    drains(running, &server).await;
}

/// Sends a wave and looks how a fresh request fares meanwhile; gives the memory afterwards in MiB.
async fn bears(server: &Server, kinds: &[Kind]) -> u64 {
    let [honest, unharmed] = [&format!("http://{}", server.address), &server.twin].map(|url| Honest::start(url));
    let (held, took) = wave(server, kinds).await;
    let (fared, twin, memory) = (honest.fared(), unharmed.fared(), mebibytes(&server.pid, "VmRSS"));
    eprintln!("{kinds:?}: {held} held, all gone after {took:?}, {memory} MiB; {fared}; of the twin {twin}");
    assert!(held >= CLIENTS * 9 / 10, "{held} connections are no wave");
    // What a busy machine does to both of them is not the clients' doing.
    assert!(fared.worst < PROMISED + twin.worst, "a fresh request took {:?}", fared.worst);
    memory
}

/// Told to stop in the middle of a wave, it finishes what it can and ends well.
async fn drains(running: Running, server: &Server) {
    let mut open = Vec::new();
    for kind in KINDS.iter().copied().cycle().take(CLIENTS) {
        open.push((kind, connect("127.0.0.1", server.address, kind).await));
    }
    let end = Instant::now() + Duration::from_secs(60);
    let tasks = begin(open, end);
    let start = Instant::now();
    let ended = tokio::task::spawn_blocking(move || running.terminate()).await.unwrap();
    eprintln!("stopped among {CLIENTS} of them in {:?}", start.elapsed());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains("some requests did not end in time"));
    assert!(start.elapsed() < CLOSED, "{:?}", start.elapsed());
    tasks.iter().for_each(JoinHandle::abort);
}
