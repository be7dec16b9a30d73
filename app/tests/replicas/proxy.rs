//! A wire that a test can hold or cut, in front of a server that it shares with others.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

const OPEN: u8 = 0;
const HELD: u8 = 1;
const CUT: u8 = 2;
const GONE: u8 = 3;
const TICK: Duration = Duration::from_millis(5);

pub struct Proxy {
    pub port: u16,
    state: Arc<AtomicU8>,
}

impl Proxy {
    pub fn to(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (port, state) = (listener.local_addr().unwrap().port(), Arc::new(AtomicU8::new(OPEN)));
        let shared = Arc::clone(&state);
        listener.set_nonblocking(true).unwrap();
        spawn(move || accept(&listener, upstream, &shared));
        Self { port, state }
    }

    /// Nothing goes through, and nothing is closed: the server hangs.
    pub fn hold(&self) {
        self.state.store(HELD, Ordering::SeqCst);
    }

    /// Connections end, and new ones end at once: the server is down.
    pub fn cut(&self) {
        self.state.store(CUT, Ordering::SeqCst);
    }

    pub fn mend(&self) {
        self.state.store(OPEN, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.store(GONE, Ordering::SeqCst);
    }
}

fn accept(listener: &TcpListener, upstream: SocketAddr, state: &Arc<AtomicU8>) {
    loop {
        match (state.load(Ordering::SeqCst), listener.accept()) {
            (GONE, _) => return,
            (CUT, _) => {}
            (_, Ok((client, _))) => {
                let state = Arc::clone(state);
                spawn(move || carry(&client, upstream, &state));
            }
            (_, Err(_)) => {}
        }
        sleep(TICK);
    }
}

fn carry(client: &TcpStream, upstream: SocketAddr, state: &Arc<AtomicU8>) {
    let Ok(server) = TcpStream::connect(upstream) else { return };
    client.set_nonblocking(false).unwrap();
    let (from, to, there) = (server.try_clone().unwrap(), client.try_clone().unwrap(), Arc::clone(state));
    let back = spawn(move || copy(&from, &to, &there));
    copy(client, &server, state);
    back.join().unwrap();
}

fn copy(mut from: &TcpStream, mut to: &TcpStream, state: &AtomicU8) {
    from.set_read_timeout(Some(TICK)).unwrap();
    let mut buffer = [0; 16 * 1024];
    loop {
        match state.load(Ordering::SeqCst) {
            OPEN => {}
            HELD => {
                sleep(TICK);
                continue;
            }
            _ => break,
        }
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) if to.write_all(&buffer[..read]).is_ok() => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => break,
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
