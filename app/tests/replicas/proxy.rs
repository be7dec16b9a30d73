//! A wire that a test can hold, cut or slow down, in front of a server that it shares with others.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

const OPEN: u8 = 0;
const HELD: u8 = 1;
const CUT: u8 = 2;
const GONE: u8 = 3;
const TICK: Duration = Duration::from_millis(5);

pub struct Proxy {
    pub port: u16,
    wire: Arc<Wire>,
}

#[derive(Default)]
struct Wire {
    state: AtomicU8,
    /// Milliseconds that whatever is sent is under way, in either direction.
    delay: AtomicU64,
}

impl Proxy {
    pub fn to(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (port, wire) = (listener.local_addr().unwrap().port(), Arc::<Wire>::default());
        let shared = Arc::clone(&wire);
        listener.set_nonblocking(true).unwrap();
        spawn(move || accept(&listener, upstream, &shared));
        Self { port, wire }
    }

    /// Nothing goes through, and nothing is closed: the server hangs.
    pub fn hold(&self) {
        self.wire.state.store(HELD, Ordering::SeqCst);
    }

    /// Connections end, and new ones end at once: the server is down.
    pub fn cut(&self) {
        self.wire.state.store(CUT, Ordering::SeqCst);
    }

    pub fn mend(&self) {
        self.wire.state.store(OPEN, Ordering::SeqCst);
    }

    /// All goes through, this much later in either direction.
    pub fn slow_down(&self, by: Duration) {
        self.wire.delay.store(by.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.wire.state.store(GONE, Ordering::SeqCst);
    }
}

fn accept(listener: &TcpListener, upstream: SocketAddr, wire: &Arc<Wire>) {
    loop {
        match (wire.state.load(Ordering::SeqCst), listener.accept()) {
            (GONE, _) => return,
            (CUT, _) => {}
            (_, Ok((client, _))) => {
                let wire = Arc::clone(wire);
                spawn(move || carry(&client, upstream, &wire));
            }
            (_, Err(_)) => {}
        }
        sleep(TICK);
    }
}

fn carry(client: &TcpStream, upstream: SocketAddr, wire: &Arc<Wire>) {
    let Ok(server) = TcpStream::connect(upstream) else { return };
    client.set_nonblocking(false).unwrap();
    let (from, to, there) = (server.try_clone().unwrap(), client.try_clone().unwrap(), Arc::clone(wire));
    let back = spawn(move || copy(&from, &to, &there));
    copy(client, &server, wire);
    back.join().unwrap();
}

fn copy(mut from: &TcpStream, mut to: &TcpStream, wire: &Wire) {
    from.set_read_timeout(Some(TICK)).unwrap();
    let mut buffer = [0; 16 * 1024];
    loop {
        match wire.state.load(Ordering::SeqCst) {
            OPEN => {}
            HELD => {
                sleep(TICK);
                continue;
            }
            _ => break,
        }
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                sleep(Duration::from_millis(wire.delay.load(Ordering::SeqCst)));
                if to.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => break,
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
