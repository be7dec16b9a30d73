//! Killed at any point of the wires to PostgreSQL and Vault, the server leaves nothing behind after one pass: what rows
//! name is there, and what lies in Vault is named.

use crate::harness::{Place, Running, admin_token, try_token};
use crate::wire::{Points, is_commit, is_request, start};
use crate::worker::{Admin, registration};
use crate::{alone, place};
use agentidp_adapters::testing::{Database, TestDatabase};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

const ROUNDS: usize = 50;
/// A busy machine takes its time; a pass runs when the server starts, and every 30 s.
const PASS: Duration = Duration::from_secs(90);

/// A server between wires.
struct Victim {
    place: Place,
    database: String,
    points: Points,
    running: Running,
    url: String,
    bearer: String,
}

/// What is killed in the middle.
#[derive(Debug, Clone, Copy)]
enum Act {
    Generate,
    Rotate,
    Revoke,
}

/// A credential that was there before.
struct Before {
    id: String,
    secret: String,
}

#[derive(Debug, Default)]
struct Sums {
    points: usize,
    held: usize,
    acknowledged: usize,
    lost: usize,
    orphaned: usize,
}

impl Victim {
    fn start(url: &str) -> Self {
        let points = Points::default();
        let (postgres, name) = url.rsplit_once('/').unwrap();
        let (user, address) = postgres.rsplit_once('@').unwrap();
        let postgres = start(address.parse().unwrap(), is_commit, &points);
        let vault = start(vault_address(), is_request, &points);
        let place = place()
            .with("DATABASE_URL", &format!("{user}@{postgres}/{name}"))
            .with("VAULT_ADDR", &format!("http://{vault}"))
            .with("VAULT_TOKEN", &variable("AGENTIDP_TEST_VAULT_TOKEN"));
        place.done(&["migrate"]);
        let admin = place.done(&["bootstrap", "--json"]).json();
        let mut running = place.start(&["serve"]);
        let url_of_server = running.url();
        let bearer = admin_token(&url_of_server, &admin);
        Self { place, database: url.to_owned(), points, running, url: url_of_server, bearer }
    }

    fn admin(&self) -> Admin<'_> {
        Admin { url: &self.url, bearer: &self.bearer }
    }

    /// Rows of the database, their columns by `|`.
    fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let output = Command::new("psql").args(["-X", "-q", "-A", "-t", "-d", &self.database, "-c", sql]).output();
        let output = output.expect("psql is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
    }

    /// A new process, and its first pass. What is pending is made due: nobody is under way any more.
    fn rise(&mut self) {
        self.query("UPDATE secret_writes SET due_at = 0");
        self.query("UPDATE secret_custody SET due_at = 0 WHERE due_at IS NOT NULL");
        self.running = self.place.start(&["serve"]);
        self.url = self.running.url();
        let start = Instant::now();
        let pending = "SELECT (SELECT COUNT(*) FROM secret_writes)
            + (SELECT COUNT(*) FROM secret_custody WHERE due_at IS NOT NULL)";
        while self.query(pending)[0][0] != "0" {
            assert!(start.elapsed() < PASS, "something is pending for ever: {}", self.running.stderr());
            sleep(Duration::from_millis(20));
        }
    }

    /// An agent, with a credential unless one is to be made.
    fn prepare(&self, act: Act, round: usize) -> (String, Option<Before>) {
        let email = format!("{act:?}-{round}@example.com");
        let agent = self.admin().must("POST", "/agents", &registration(&email), 201);
        let agent = agent["agentId"].as_str().unwrap().to_owned();
        let before = (!matches!(act, Act::Generate)).then(|| {
            let made = self.admin().must("POST", &format!("/agents/{agent}/credentials"), &json!({}), 201);
            let text = |name: &str| made[name].as_str().unwrap().to_owned();
            Before { id: text("credentialId"), secret: text("clientSecret") }
        });
        (agent, before)
    }

    /// Acts, and kills the server at the point of this number, or after the answer; gives the answer if there is one,
    /// whether the point was there, and how many points were passed.
    fn killed_at(
        &mut self,
        act: Act,
        point: usize,
        agent: &str,
        before: Option<&Before>,
    ) -> (Option<Value>, bool, usize) {
        let id = before.map_or("", |before| &before.id);
        let (method, path) = match act {
            Act::Generate => ("POST", format!("/agents/{agent}/credentials")),
            Act::Rotate => ("POST", format!("/agents/{agent}/credentials/{id}/rotate")),
            Act::Revoke => ("DELETE", format!("/agents/{agent}/credentials/{id}")),
        };
        let body = if matches!(act, Act::Revoke) { Value::Null } else { json!({}) };
        let (url, bearer) = (self.url.clone(), self.bearer.clone());
        self.points.hold_at(point);
        scope(|scope| {
            let asking = scope.spawn(move || Admin { url: &url, bearer: &bearer }.call(method, &path, &body));
            let held = self.points.held(|| asking.is_finished());
            self.running.kill();
            let points = self.points.release();
            let answer = asking.join().unwrap().ok();
            if let Some((status, body)) = &answer {
                assert!((200..300).contains(status), "{act:?} at point {point}: {status} {body}");
            }
            (answer.map(|(_, body)| body), held, points)
        })
    }

    /// Compares what is there after a round; adds to the sums.
    fn compare(&self, act: Act, agent: &str, before: Option<&Before>, answer: Option<&Value>, sums: &mut Sums) {
        let rows = self.query(&format!(
            "SELECT id, secret_version, revoked_at IS NOT NULL FROM credentials WHERE agent_id = '{agent}'"
        ));
        let mut lying = in_vault(agent);
        for row in &rows {
            let (version, revoked) = (row[1].parse::<u64>().unwrap(), row[2] == "t");
            let live = lying.remove(&row[0]).unwrap_or_default();
            let expected: Vec<u64> = if revoked { Vec::new() } else { (1..=version).collect() };
            sums.lost += expected.iter().filter(|version| !live.contains(version)).count();
            sums.orphaned += live.iter().filter(|version| !expected.contains(version)).count();
        }
        sums.orphaned += lying.values().map(Vec::len).sum::<usize>();
        sums.acknowledged += usize::from(answer.is_some()) + usize::from(before.is_some());
        let done = match (act, rows.first()) {
            (Act::Generate, row) => row.is_some(),
            (_, None) => panic!("a credential that was acknowledged is gone"),
            (Act::Rotate, Some(row)) => row[1] == "2",
            (Act::Revoke, Some(row)) => row[2] == "t",
        };
        sums.lost += usize::from(answer.is_some() && !done);
        if let Some(before) = before {
            sums.lost += usize::from(self.works(agent, &before.secret) == done);
        }
        if let Some(secret) = answer.and_then(|answer| answer["clientSecret"].as_str()) {
            sums.lost += usize::from(!self.works(agent, secret));
        }
    }

    fn works(&self, agent: &str, secret: &str) -> bool {
        let (status, body) = try_token(&self.url, agent, secret).unwrap();
        assert!(status == 200 || status == 401, "{status} {body}");
        status == 200
    }

    fn survives(&mut self, act: Act) {
        let (mut sums, mut point) = (Sums::default(), 0);
        for round in 0..ROUNDS {
            let (agent, before) = self.prepare(act, round);
            let (answer, held, points) = self.killed_at(act, point, &agent, before.as_ref());
            self.rise();
            self.compare(act, &agent, before.as_ref(), answer.as_ref(), &mut sums);
            sums.held += usize::from(held);
            sums.points = sums.points.max(points);
            // After the last one it was killed behind the answer; from the first one on again.
            point = if held { point + 1 } else { 0 };
        }
        eprintln!(
            "{act:?}: {ROUNDS} kills, {} of them at one of {} points of the wires; acknowledged {}, lost {}, orphaned {}",
            sums.held, sums.points, sums.acknowledged, sums.lost, sums.orphaned
        );
        assert_eq!((sums.lost, sums.orphaned), (0, 0), "{act:?}");
        assert!(sums.points >= 6 && sums.held < ROUNDS, "not every point was reached: {sums:?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "where this test learns of its server")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the tests by `make test` or `scripts/with-servers cargo test --workspace`")
    })
}

fn vault_address() -> SocketAddr {
    variable("AGENTIDP_TEST_VAULT_ADDR").strip_prefix("http://").unwrap().parse().unwrap()
}

/// Asks Vault itself, not by the wire of the server; none: there is nothing.
fn ask_vault(path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(vault_address()).unwrap();
    let token = variable("AGENTIDP_TEST_VAULT_TOKEN");
    // HTTP 1.0, so that the answer ends with the connection.
    let request = format!("GET /v1/secret/metadata/agentidp/agents/{path} HTTP/1.0\r\nX-Vault-Token: {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    match head.split(' ').nth(1).unwrap() {
        "200" => Some(serde_json::from_str(body).unwrap()),
        "404" => None,
        _ => panic!("{answer}"),
    }
}

/// The versions that can be read, of each credential of the agent.
fn in_vault(agent: &str) -> BTreeMap<String, Vec<u64>> {
    let list = ask_vault(&format!("{agent}/credentials?list=true")).unwrap_or_default();
    let keys = list["data"]["keys"].as_array().cloned().unwrap_or_default();
    let mut lying = BTreeMap::new();
    for key in keys.iter().filter_map(Value::as_str) {
        let metadata = ask_vault(&format!("{agent}/credentials/{key}")).unwrap_or_default();
        let versions = metadata["data"]["versions"].as_object().cloned().unwrap_or_default();
        let live = versions.iter().filter(|(_, version)| version["destroyed"] == json!(false));
        lying.insert(key.to_owned(), live.map(|(number, _)| number.parse().unwrap()).collect());
    }
    lying
}

#[tokio::test]
async fn killed_between_database_and_vault_it_leaves_both_in_agreement() {
    let database = TestDatabase::make(Database::Postgres).await;
    let url = database.url();
    tokio::task::spawn_blocking(move || {
        let _alone = alone();
        let mut victim = Victim::start(&url);
        for act in [Act::Generate, Act::Rotate, Act::Revoke] {
            victim.survives(act);
        }
        assert_eq!(victim.running.terminate().code, 0);
    })
    .await
    .unwrap();
}
