//! The policy of a running server: swapped under load, and bounded whatever it does.

use crate::support::{Client, Database, TestApp, new_agent};
use agentidp::wiring::Reload;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const RELOADS: usize = 1000;
const CLIENTS: usize = 2;
const FIRST: &str = "not complete\n} else := client_grant if {";

/// The shipped policy with `rule` before all others, and `lines` at its end.
fn write_policy(folder: &Path, rule: &str, lines: &str) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let text = std::fs::read_to_string(shipped.join("authz.rego")).unwrap();
    assert!(text.contains(FIRST));
    let text = text.replace(FIRST, &format!("not complete\n}} else := {rule}\n}} else := client_grant if {{"));
    std::fs::create_dir_all(folder.join("data")).unwrap();
    std::fs::copy(shipped.join("data/scopes.json"), folder.join("data/scopes.json")).unwrap();
    std::fs::write(folder.join("authz.rego"), format!("{text}\n{lines}\n")).unwrap();
}

/// The same, with a rule that refuses registrations of one owner.
fn write_closed(folder: &Path) {
    let rule = "refuse(\"closed\", \"Closed.\") if {\n\tinput.operation == \"registerAgent\"\n\tinput.caller.owner == \"team-red\"";
    write_policy(folder, rule, "");
}

fn write_open(folder: &Path) {
    write_policy(folder, "no_rule if {\n\tinput.operation == \"no\"", "");
}

async fn app(folder: &Path) -> Arc<TestApp> {
    Arc::new(TestApp::start_with(Database::Sqlite, &[("POLICY_DIR", folder.to_str().unwrap())]).await)
}

async fn hash(app: &TestApp) -> String {
    let health = app.call("GET", "/health").send().await.json;
    health["services"]["policy"]["hash"].as_str().unwrap().to_owned()
}

/// Every event of an action.
async fn every(app: &TestApp, action: &str) -> Vec<Value> {
    let token = app.admin_token().await;
    let (mut events, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/audit?action={action}&limit=100{cursor}");
        let page = app.call("GET", &path).bearer(&token).send().await.json;
        events.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page["nextCursor"].as_str() else { return events };
        cursor = format!("&cursor={next}");
    }
}

/// Registers until it is told to stop; how many were open and how many closed.
async fn register(app: Arc<TestApp>, client: Client, stop: Arc<AtomicBool>) -> (usize, usize) {
    let token = app.token(&client, None).await;
    let (mut open, mut closed) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let answer =
            app.call("POST", "/api/v1/agents").bearer(&token).json(&new_agent("team-red", &["data:read"])).send().await;
        match (answer.status, answer.json["message"].as_str()) {
            (201, _) => open += 1,
            (403, Some("Closed.")) => closed += 1,
            _ => panic!("neither the old policy nor the new one says that: {answer:?}"),
        }
    }
    (open, closed)
}

/// Good and broken policies in turn: each decision is by one that was good, and none is by nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reloads_under_load_leave_no_request_undecided() {
    let folder = tempfile::tempdir().unwrap();
    write_open(folder.path());
    let app = app(folder.path()).await;
    let open = hash(&app).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = app.client("team-red", &["agents:write", "data:read"]).await;
        clients.spawn(register(Arc::clone(&app), client, Arc::clone(&stop)));
    }
    let (start, mut hashes) = (Instant::now(), BTreeSet::new());
    for turn in 0..RELOADS {
        match turn % 8 {
            0 => write_closed(folder.path()),
            4 => write_open(folder.path()),
            _ => std::fs::write(
                folder.path().join("authz.rego"),
                ["package agentidp.authz\n\nallow if {", ""][turn / 2 % 2],
            )
            .unwrap(),
        }
        app.background().reload_policy().await.unwrap();
        hashes.insert(app.background().policy.engine.hash());
    }
    let took = start.elapsed();
    stop.store(true, Ordering::Relaxed);
    let counts = clients.join_all().await;
    let (opened, closed) = counts.iter().fold((0, 0), |(a, b), (open, closed)| (a + open, b + closed));
    println!("{RELOADS} reloads in {took:.1?}: {opened} registrations, {closed} refusals, none undecided");
    assert!(opened > 0 && closed > 0, "the load met one policy only");
    assert_eq!(hashes.len(), 2);
    let shut = hashes.into_iter().find(|hash| *hash != open).unwrap();
    let by = |events: Vec<Value>| {
        events.iter().map(|event| event["policyHash"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(by(every(&app, "authz.denied").await), [shut].into());
    assert_eq!(by(every(&app, "policy.reloaded").await).len(), 2);
    assert_eq!(every(&app, "policy.rejected").await.len(), RELOADS / 4 * 3);
    let registered = every(&app, "agent.created").await;
    let of_load = registered.iter().filter(|event| event["metadata"]["input"]["caller"]["owner"] == "team-red");
    assert_eq!(by(of_load.cloned().collect()), [open].into());
}

/// A policy that has no end for one owner, and builds something huge for another: each costs its own limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_without_an_end_costs_its_limit_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let doubled = |n: usize| format!("huge{n} := concat(\"\", [huge{}, huge{}])\n\n", n - 1, n - 1);
    let lines = format!(
        "ten := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n\n\
         endless if count([0 | some _ in ten; some _ in ten; some _ in ten; some _ in ten; some _ in ten]) == 1\n\n\
         huge0 := \"x\"\n\n{}\
         bad if {{\n\tinput.caller.owner == \"team-loop\"\n\tendless\n}}\n\n\
         bad if {{\n\tinput.caller.owner == \"team-huge\"\n\tcount(huge40) == 1\n}}",
        (1..=40).map(doubled).collect::<String>()
    );
    write_policy(folder.path(), "no_rule if {\n\tinput.operation == \"listAgents\"\n\tbad", &lines);
    let app = app(folder.path()).await;
    let client = app.client("team-blue", &["agents:read"]).await;
    let token = app.token(&client, None).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut bad = JoinSet::new();
    for owner in ["team-loop", "team-huge"] {
        let client = app.client(owner, &["agents:read"]).await;
        let (app, stop) = (Arc::clone(&app), Arc::clone(&stop));
        bad.spawn(async move {
            let token = app.token(&client, None).await;
            let mut refused = 0;
            while !stop.load(Ordering::Relaxed) {
                let answer = app.call("GET", "/api/v1/agents").bearer(&token).send().await;
                assert_eq!(answer.failure(), "503 SERVICE_UNAVAILABLE", "{answer:?}");
                refused += 1;
            }
            refused
        });
    }
    let (mut slowest, start, mut answered) = (Duration::ZERO, Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(5) {
        let asked = Instant::now();
        let answer = app.call("GET", "/api/v1/agents").bearer(&token).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        slowest = slowest.max(asked.elapsed());
        answered += 1;
    }
    stop.store(true, Ordering::Relaxed);
    let refused: usize = bad.join_all().await.iter().sum();
    println!("{refused} decisions met a limit; beside them {answered} requests, the slowest in {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert!(refused > 20, "{refused}");
    let denied = app.audit("action=authz.denied&limit=1").await;
    assert_eq!(
        (&denied[0]["reason"], &denied[0]["metadata"]["operation"]),
        (&json!("policy_error"), &json!("listAgents"))
    );
}

/// It is told at once, and put on record when that can be.
#[tokio::test]
async fn a_bad_policy_is_told_of_while_the_database_is_away() {
    let folder = tempfile::tempdir().unwrap();
    write_open(folder.path());
    let app = app(folder.path()).await;
    let before = hash(&app).await;
    let rejected = async || {
        let metrics = app.call("GET", "/metrics").send().await.text;
        let name = "agentidp_policy_reloads_total{outcome=\"rejected\"} ";
        metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned()
    };
    std::fs::write(folder.path().join("authz.rego"), "package agentidp.authz\n\nallow if {").unwrap();
    app.execute("ALTER TABLE audit_events RENAME TO gone");
    for _ in 0..2 {
        assert!(app.background().reload_policy().await.is_err());
        assert_eq!(rejected().await, "1");
    }
    app.execute("ALTER TABLE gone RENAME TO audit_events");
    assert_eq!(app.background().reload_policy().await.unwrap(), Reload::Rejected);
    assert_eq!(every(&app, "policy.rejected").await.len(), 1);
    write_closed(folder.path());
    app.execute("ALTER TABLE policies RENAME TO gone");
    assert!(app.background().reload_policy().await.is_err());
    assert_eq!(hash(&app).await, before, "no decision is by a policy that is not kept");
    app.execute("ALTER TABLE gone RENAME TO policies");
    assert_eq!(app.background().reload_policy().await.unwrap(), Reload::Done);
    assert_eq!(rejected().await, "1");
}
