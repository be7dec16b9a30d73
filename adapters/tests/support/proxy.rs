//! A TCP proxy before a server: it can swallow what is sent, as a network that fails without a word, and take the answer
//! to a COMMIT away.
#![allow(clippy::unwrap_used, dead_code, reason = "these are tests, and each uses a part of it")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// The message of the simple query protocol that ends a transaction.
const COMMIT: &[u8] = b"COMMIT\0";

/// Goes when it is dropped, with its connections.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    accepting: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// Nothing passes.
    silent: AtomicBool,
    /// The number of the next connection, and the first whose bytes pass: what was lost once stays lost.
    next: AtomicU64,
    first: AtomicU64,
    /// The answer to the next COMMIT is to be lost.
    armed: AtomicBool,
    lost: AtomicU64,
}

impl State {
    fn passes(&self, number: u64) -> bool {
        !self.silent.load(Ordering::SeqCst) && number >= self.first.load(Ordering::SeqCst)
    }
}

impl Proxy {
    /// Starts before the server of a URL.
    pub async fn before(url: &str) -> Self {
        let server: SocketAddr =
            authority(url).rsplit_once('@').map_or(authority(url), |(_, host)| host).parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let kept = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = kept.next.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(join(client, server, number, Arc::clone(&kept)));
            }
        });
        Self { address, state, accepting }
    }

    /// The URL, by way of the proxy.
    pub fn url(&self, url: &str) -> String {
        let authority = authority(url);
        let user = authority.rsplit_once('@').map_or(String::new(), |(user, _)| format!("{user}@"));
        url.replacen(authority, &format!("{user}{}", self.address), 1)
    }

    /// Swallows everything from now on; connections stay open.
    pub fn fall_silent(&self) {
        self.state.silent.store(true, Ordering::SeqCst);
    }

    /// Lets new connections pass. Those that are there stay silent, as after a failover.
    pub fn heal(&self) {
        self.state.first.store(self.state.next.load(Ordering::SeqCst), Ordering::SeqCst);
        self.state.silent.store(false, Ordering::SeqCst);
    }

    /// Cuts the connection that commits next, after the server has answered and before the client hears of it.
    pub fn lose_next_commit(&self) {
        self.state.armed.store(true, Ordering::SeqCst);
    }

    /// How many answers were lost so.
    pub fn lost_commits(&self) -> u64 {
        self.state.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn authority(url: &str) -> &str {
    url.split_once("://").unwrap().1.split(['/', '?']).next().unwrap()
}

async fn join(client: TcpStream, server: SocketAddr, number: u64, state: Arc<State>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let committing = AtomicBool::new(false);
    tokio::select! {
        () = ask(from_client, to_server, number, &state, &committing) => {}
        () = answer(from_server, to_client, number, &state, &committing) => {}
    }
}

async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, number: u64, state: &State, committing: &AtomicBool) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..read).filter(|_| state.passes(number)) else { continue };
        if bytes.windows(COMMIT.len()).any(|window| window == COMMIT) && state.armed.swap(false, Ordering::SeqCst) {
            committing.store(true, Ordering::SeqCst);
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, number: u64, state: &State, committing: &AtomicBool) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if committing.load(Ordering::SeqCst) {
            state.lost.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let Some(bytes) = buffer.get(..read).filter(|_| state.passes(number)) else { continue };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
