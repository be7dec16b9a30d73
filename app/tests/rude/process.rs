//! What Linux tells of the server's process, and how others fare meanwhile.

use crate::harness::http;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};
use std::{fmt, fs};

/// What a fresh request may take while others misbehave.
pub const PROMISED: Duration = Duration::from_secs(1);

/// Descriptors that this process needs for its rude clients.
const DESCRIPTORS: u64 = 2_400;

/// Raises this process's own limit of descriptors.
pub fn need_descriptors() {
    let limit = rlimit::increase_nofile_limit(DESCRIPTORS).unwrap();
    assert!(limit >= DESCRIPTORS, "this test needs {DESCRIPTORS} file descriptors: raise the hard limit (ulimit -Hn)");
}

/// A memory figure of the process in MiB, such as `VmRSS`, or `VmHWM`, the most there ever was.
pub fn mebibytes(pid: &str, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// How many sockets the process has open.
pub fn sockets(pid: &str) -> usize {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = entries.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

/// How many sockets the process has open without any client, once it serves.
pub fn idle_sockets(url: &str, pid: &str) -> usize {
    assert_eq!(http(url, "GET", "/health", &[], "").0, 200);
    let start = Instant::now();
    let mut fewest = sockets(pid);
    // The connection of the question takes a moment to go.
    while start.elapsed() < Duration::from_secs(1) {
        fewest = fewest.min(sockets(pid));
        sleep(Duration::from_millis(20));
    }
    fewest
}

/// How many descriptors the process has open.
pub fn descriptors(pid: &str) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Waits until there are so few sockets again that nobody is left; how long that took.
pub fn until_sockets(pid: &str, most: usize, deadline: Duration) -> Duration {
    let start = Instant::now();
    loop {
        let open = sockets(pid);
        if open <= most {
            return start.elapsed();
        }
        assert!(start.elapsed() < deadline, "{open} sockets are open after {deadline:?}, not {most}");
        sleep(Duration::from_millis(20));
    }
}

/// A well-behaved client, in a thread of its own: one new connection and one question after the other.
pub struct Honest {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Honest {
    /// Asks for the health of the server, which reads the database.
    pub fn start(url: &str) -> Self {
        let (url, stop) = (url.to_owned(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = spawn(move || {
            let mut took = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let start = Instant::now();
                let (status, body) = http(&url, "GET", "/health", &[], "");
                took.push(start.elapsed());
                assert_eq!((status, &body["status"]), (200, &"ok".into()), "{body}");
                sleep(Duration::from_millis(30));
            }
            took
        });
        Self { stop, thread }
    }

    /// Ends it.
    pub fn fared(self) -> Fared {
        self.stop.store(true, Ordering::Relaxed);
        let mut took = self.thread.join().expect("every request is answered");
        took.sort_unstable();
        Fared { answers: took.len(), median: took[took.len() / 2], worst: took[took.len() - 1] }
    }
}

/// How long answers took.
pub struct Fared {
    pub answers: usize,
    pub median: Duration,
    pub worst: Duration,
}

impl fmt::Display for Fared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answers, median {:?}, worst {:?}", self.answers, self.median, self.worst)
    }
}
