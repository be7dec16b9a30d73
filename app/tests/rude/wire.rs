//! A wire with points at which it can be held: before and after each request to Vault, before and after each COMMIT of
//! PostgreSQL. What is held is never passed on.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::spawn;
use std::time::Duration;

/// What begins a point when the server sends it.
type Begins = fn(&[u8]) -> bool;

/// The points of all wires of a server, counted together.
#[derive(Clone, Default)]
pub struct Points(Arc<(Mutex<Counts>, Condvar)>);

#[derive(Default)]
struct Counts {
    seen: usize,
    /// The point to hold at; none: all pass.
    hold: Option<usize>,
    held: bool,
}

impl Points {
    /// Counts from here, and holds at the point of this number; beyond the last one nothing is held.
    pub fn hold_at(&self, point: usize) {
        *self.0.0.lock().unwrap() = Counts { seen: 0, hold: Some(point), held: false };
    }

    /// Waits until a point is held, or `over` says that there will be none; says whether one is.
    pub fn held(&self, over: impl Fn() -> bool) -> bool {
        let mut counts = self.0.0.lock().unwrap();
        while !counts.held && !over() {
            counts = self.0.1.wait_timeout(counts, Duration::from_millis(2)).unwrap().0;
        }
        counts.held
    }

    /// Lets all pass from now on but what is held; gives how many points were counted.
    pub fn release(&self) -> usize {
        let mut counts = self.0.0.lock().unwrap();
        counts.hold = None;
        self.0.1.notify_all();
        counts.seen
    }

    /// Whether to go on after this point. Does not return while it is held.
    fn pass(&self) -> bool {
        let mut counts = self.0.0.lock().unwrap();
        let here = counts.seen;
        counts.seen += 1;
        if counts.hold != Some(here) {
            return true;
        }
        counts.held = true;
        self.0.1.notify_all();
        while counts.hold.is_some() {
            counts = self.0.1.wait(counts).unwrap();
        }
        false
    }
}

/// Listens for the server, and passes on to `upstream`; gives the address. It goes on for as long as this process.
pub fn start(upstream: SocketAddr, begins: Begins, points: &Points) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let points = points.clone();
    spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(upstream) else { continue };
            connect(client, server, begins, &points);
        }
    });
    address
}

/// Whether a request to Vault begins here.
pub fn is_request(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b' ').nth(1).is_some_and(|path| path.starts_with(b"/v1/"))
}

/// Whether a COMMIT is among these messages of PostgreSQL.
pub fn is_commit(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|window| window == b"COMMIT\0")
}

/// Passes on in both directions. An answer is a point if what was asked is one.
fn connect(client: TcpStream, server: TcpStream, begins: Begins, points: &Points) {
    let asked = Arc::new(Mutex::new(false));
    let (to_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (before, after) = (points.clone(), points.clone());
    let asking = Arc::clone(&asked);
    spawn(move || {
        pass_on(client, to_server, |bytes| {
            let begins = begins(bytes);
            if begins && !before.pass() {
                return false;
            }
            if begins {
                *asking.lock().unwrap() = true;
            }
            true
        });
    });
    spawn(move || {
        pass_on(server, to_client, |_| !std::mem::take(&mut *asked.lock().unwrap()) || after.pass());
    });
}

/// Passes on what `goes_on` agrees to; then both sides are closed.
fn pass_on(mut from: TcpStream, mut to: TcpStream, mut goes_on: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        if !goes_on(&buffer[..read]) || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
