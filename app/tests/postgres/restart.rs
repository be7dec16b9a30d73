//! PostgreSQL restarts under load: nothing acknowledged is lost, nothing is wrong, and the server needs no restart.

use crate::harness::{Place, Running, admin_token, http, try_token};
use crate::ledger;
use crate::server::Server;
use crate::worker::{Admin, Worker};
use serde_json::Value;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

const WORKERS: usize = 6;
/// The busiest machine gets there.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for the first good answer; until then there is nothing but 503.
fn recovers(running: &mut Running, url: &str, admin: &Value) -> Duration {
    let start = Instant::now();
    let text = |name: &str| admin[name].as_str().unwrap();
    running.wait_for(|_| {
        let (status, body) = try_token(url, text("clientId"), text("clientSecret")).unwrap();
        assert!(status == 200 || status == 503, "{status} {body}");
        assert!(start.elapsed() < PATIENCE, "{status} {body}");
        (status == 200).then_some(())
    });
    start.elapsed()
}

#[test]
fn what_was_acknowledged_outlives_the_database() {
    let server = Server::new("", &[]);
    let place = Place::of_server()
        .with("DATABASE_URL", &server.url("127.0.0.1"))
        .with("RATE_LIMIT_PER_MINUTE", "0")
        .with("INTROSPECTION_RATE_LIMIT_PER_MINUTE", "0")
        .with("AUTH_FAILURES_PER_MINUTE", "0")
        .with("LOG_FORMAT", "json");
    place.done(&["migrate"]);
    let administrator = place.done(&["bootstrap", "--json"]).json();
    let mut running = place.start(&["serve"]);
    let url = running.url();
    let bearer = admin_token(&url, &administrator);
    let admin = Admin { url: &url, bearer: &bearer };
    let mut workers: Vec<Worker> = (0..WORKERS).map(|number| Worker::new(number, &admin)).collect();
    for (round, mode) in ["fast", "immediate", "fast", "immediate"].into_iter().enumerate() {
        scope(|scope| {
            for worker in &mut workers {
                scope.spawn(|| worker.work(&admin));
            }
            // Some work, then none: each worker ends at its first 503.
            sleep(Duration::from_millis(300 + 150 * u64::try_from(round).unwrap()));
            server.stop(mode);
        });
        let start = Instant::now();
        assert_eq!(try_token(&url, "nobody", "nothing").unwrap().0, 503);
        assert_eq!(http(&url, "GET", "/health/live", &[], "").0, 200);
        let away = start.elapsed();
        assert!(away < Duration::from_secs(5), "{away:?}");
        server.start();
        let recovered = recovers(&mut running, &url, &administrator);
        eprintln!("round {round}: 503 after {away:?}, a good answer {recovered:?} after the start of the database");
        for worker in &mut workers {
            worker.settle(&admin);
        }
    }
    let acknowledged = ledger::balance(&admin, &workers, administrator["clientId"].as_str().unwrap());
    assert!(acknowledged > WORKERS, "there was no load");
    assert_eq!(running.terminate().code, 0);
}
