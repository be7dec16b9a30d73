//! Killed at any moment under load, the server keeps what it acknowledged, and nothing by halves.

use crate::harness::{Place, Running, admin_token};
use crate::ledger;
use crate::worker::{Admin, Worker};
use crate::{alone, place};
use agentidp_adapters::testing::{Database, TestDatabase};
use serde_json::Value;
use std::thread::{scope, sleep};
use std::time::Duration;

const WORKERS: usize = 6;

/// A server that is killed again and again over the same data.
struct Victim {
    place: Place,
    admin: Value,
    running: Running,
    url: String,
    bearer: String,
}

impl Victim {
    fn start(place: Place) -> Self {
        let admin = place.done(&["bootstrap", "--json"]).json();
        let mut running = place.start(&["serve"]);
        let url = running.url();
        let bearer = admin_token(&url, &admin);
        Self { place, admin, running, url, bearer }
    }

    /// A new process over the same data, for which the tokens of the old one are good.
    fn rise(&mut self) {
        self.running = self.place.start(&["serve"]);
        self.url = self.running.url();
    }

    fn admin(&self) -> Admin<'_> {
        Admin { url: &self.url, bearer: &self.bearer }
    }
}

/// Some milliseconds, different each time.
fn moment() -> Duration {
    let [first, second, ..] = uuid::Uuid::new_v4().into_bytes();
    Duration::from_millis(u64::from(first) * 3 + u64::from(second) / 8)
}

fn survives(place: Place, rounds: usize) {
    let mut victim = Victim::start(place);
    let mut workers: Vec<Worker> = (0..WORKERS).map(|number| Worker::new(number, &victim.admin())).collect();
    for round in 0..rounds {
        let moment = moment();
        let (url, bearer) = (victim.url.clone(), victim.bearer.clone());
        scope(|scope| {
            for worker in &mut workers {
                scope.spawn(|| worker.work(&Admin { url: &url, bearer: &bearer }));
            }
            sleep(moment);
            victim.running.kill();
        });
        victim.rise();
        eprintln!("round {round}: killed after {moment:?}");
        for worker in &mut workers {
            worker.settle(&victim.admin());
        }
    }
    let acknowledged = ledger::balance(&victim.admin(), &workers, victim.admin["clientId"].as_str().unwrap());
    assert!(acknowledged > rounds * WORKERS, "there was no load");
    assert_eq!(victim.running.terminate().code, 0);
}

#[test]
fn sqlite_keeps_what_was_acknowledged() {
    let _alone = alone();
    survives(place(), 20);
}

#[tokio::test]
async fn postgres_keeps_what_was_acknowledged() {
    let database = TestDatabase::make(Database::Postgres).await;
    let url = database.url();
    tokio::task::spawn_blocking(move || {
        let _alone = alone();
        let place = place().with("DATABASE_URL", &url);
        place.done(&["migrate"]);
        survives(place, 10);
    })
    .await
    .unwrap();
}
