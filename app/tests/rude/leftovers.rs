//! What the kernel keeps of connections that the server has closed.

use crate::clients::{Kind, connect};
use crate::place;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const CLIENTS: usize = 20;
/// 5 s until the server closes, 10 s until the kernel drops the rest; without a limit it keeps that for minutes.
const GONE: Duration = Duration::from_secs(35);

/// How many connections of the port there are in the kernel, whoever has closed them; not those that wait to be
/// forgotten.
fn connections(port: u16) -> usize {
    let (established, fin_wait) = ("01", "04");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let ours = rows.filter(|row| row[1].ends_with(&format!(":{port:04X}")));
    ours.filter(|row| row[3] == established || row[3] == fin_wait).count()
}

/// Runs beside the others: it needs no quiet.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_does_not_stay_in_the_kernel() {
    let place = place();
    let mut running = place.start(&["serve"]);
    let address: SocketAddr = running.url().strip_prefix("http://").unwrap().parse().unwrap();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let socket = connect("127.0.0.1", address, Kind::Unread).await;
        let end = tokio::time::Instant::now() + GONE * 2;
        clients.push(tokio::spawn(Kind::Unread.misbehave(socket, end)));
    }
    assert_eq!(connections(address.port()), CLIENTS);
    let start = Instant::now();
    while connections(address.port()) > 0 {
        assert!(start.elapsed() < GONE, "{} connections are still there", connections(address.port()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eprintln!("nothing is left of {CLIENTS} unread answers after {:?}", start.elapsed());
    assert_eq!(running.terminate().code, 0);
}
