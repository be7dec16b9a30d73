//! A relay before a server of HTTP/1.1, that counts requests and misbehaves when it is told to.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a request that arrives.
#[derive(Debug, Clone)]
pub enum Mode {
    Pass,
    /// It goes on after this long.
    Late(Duration),
    /// It is read and never answered.
    Hang,
    /// The connection is closed.
    Close,
    /// It is answered with this text, and the server never sees it.
    Answer(String),
}

#[derive(Debug)]
struct State {
    mode: Mode,
    requests: Vec<String>,
}

/// The relay; it ends with the test's runtime.
#[derive(Debug, Clone)]
pub struct Relay {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Relay {
    /// A relay before the server at `host:port`.
    pub async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { mode: Mode::Pass, requests: Vec::new() }));
        let (server, shared) = (server.to_owned(), Arc::clone(&state));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server.clone(), Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    pub fn set(&self, mode: Mode) {
        self.state.lock().unwrap().mode = mode;
    }

    /// How many requests began like this: method and path.
    pub fn seen(&self, beginning: &str) -> usize {
        self.state.lock().unwrap().requests.iter().filter(|request| request.starts_with(beginning)).count()
    }
}

async fn relay(client: TcpStream, server: String, state: Arc<Mutex<State>>) {
    let Ok(upstream) = TcpStream::connect(&server).await else { return };
    let (mut from_client, to_client) = client.into_split();
    let (mut from_server, mut to_server) = upstream.into_split();
    let to_client = Arc::new(tokio::sync::Mutex::new(to_client));
    let answers = Arc::clone(&to_client);
    let back = tokio::spawn(async move {
        let mut bytes = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
            if answers.lock().await.write_all(&bytes[..count]).await.is_err() {
                break;
            }
        }
        let _ = answers.lock().await.shutdown().await;
    });
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
        if !pass(&bytes[..count], &state, &to_client).await || to_server.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
    back.abort();
}

/// Whether what was read goes on to the server.
async fn pass(read: &[u8], state: &Mutex<State>, to_client: &tokio::sync::Mutex<OwnedWriteHalf>) -> bool {
    let line = read.split(|byte| *byte == b'\r').next().map(String::from_utf8_lossy).unwrap_or_default();
    // A body that comes by itself belongs to a request that has been passed.
    let is_request = line.ends_with("HTTP/1.1");
    let mode = {
        let mut state = state.lock().unwrap();
        if is_request {
            state.requests.push(line.into_owned());
        }
        state.mode.clone()
    };
    match mode {
        Mode::Pass => true,
        Mode::Late(by) => {
            tokio::time::sleep(by).await;
            true
        }
        Mode::Close => false,
        Mode::Hang => std::future::pending().await,
        Mode::Answer(text) => {
            if is_request {
                let mut to_client = to_client.lock().await;
                let _ = to_client.write_all(text.as_bytes()).await;
                let _ = to_client.shutdown().await;
            }
            false
        }
    }
}

/// An answer of HTTP/1.1 with this body.
pub fn answer(status: &str, headers: &str, body: &str) -> Mode {
    let length = body.len();
    Mode::Answer(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"))
}
