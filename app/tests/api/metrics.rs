//! `/metrics`: what is counted, under which labels, and that nobody can make more series.

use crate::support::{Answer, Database, TestApp, TestDatabase, new_agent};
use agentidp::wiring;
use poem::Endpoint;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What refuses authentications cannot write them down, and nothing is known of tokens.
const WITHOUT_TABLES: &str =
    "ALTER TABLE audit_events RENAME TO gone; ALTER TABLE token_revocations RENAME TO gone_too";

/// One scrape.
struct Scrape {
    text: String,
}

impl Scrape {
    async fn of(app: &TestApp) -> Self {
        let answer = app.call("GET", "/metrics").send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        Self { text: answer.text }
    }

    /// The value of a series, 0 if it is not there. Labels may be written in any order.
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: BTreeMap<&str, &str> = labels.iter().copied().collect();
        let found = self.series().into_iter().find(|series| series.name == name && series.labels == wanted);
        found.map_or(0.0, |series| series.value)
    }

    fn series(&self) -> Vec<Series<'_>> {
        self.text.lines().filter(|line| !line.starts_with('#')).map(Series::of).collect()
    }
}

#[derive(Debug)]
struct Series<'a> {
    name: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    value: f64,
}

impl<'a> Series<'a> {
    fn of(line: &'a str) -> Self {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        let labels = labels.map(|label| label.split_once('=').unwrap());
        let labels = labels.map(|(name, value)| (name, value.trim_matches('"'))).collect();
        Self { name, labels, value: value.parse().unwrap() }
    }
}

async fn limited_app() -> TestApp {
    TestApp::start_with(Database::Sqlite, &[("RATE_LIMIT_PER_MINUTE", "6")]).await
}

/// Does of everything a little, so that every metric has a series.
async fn exercise(app: &TestApp) -> Vec<Answer> {
    let token = app.admin_token().await;
    let register = || app.call("POST", "/api/v1/agents").bearer(&token).header("Idempotency-Key", "once");
    let body = new_agent("team-a", &["data:read"]);
    let mut answers = vec![register().json(&body).send().await, register().json(&body).send().await];
    let id = answers[0].json["agentId"].as_str().unwrap();
    let path = format!("/api/v1/agents/{id}");
    let refused = json!({"capabilities": ["x y"]});
    let calls = [app.call("GET", &path).bearer(&token), app.call("PATCH", &path).bearer(&token).json(&refused)];
    for call in calls {
        answers.push(call.send().await);
    }
    answers.push(app.token_answer(&app.admin, &[]).await);
    answers.push(app.call("GET", "/nowhere").send().await);
    for _ in 0..2 {
        answers.push(app.call("GET", "/api/v1/agents").bearer(&token).send().await);
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_counted() {
    let app = limited_app().await;
    let statuses: Vec<u16> = exercise(&app).await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [201, 201, 200, 400, 200, 404, 429, 429]);
    let wrong = stranger(&app.admin.id);
    assert_eq!(app.token_answer(&wrong, &[]).await.status, 401);
    let scrape = Scrape::of(&app).await;
    let requests = |method: &str, path: &str, status: &str| {
        let labels = [("method", method), ("path", path), ("status", status)];
        scrape.value("agentidp_http_requests_total", &labels)
    };
    let agent = "/api/v1/agents/{agentId}";
    for (method, path, status, count) in [
        ("POST", "/api/v1/agents", "201", 2.0),
        ("GET", agent, "200", 1.0),
        ("PATCH", agent, "400", 1.0),
        ("POST", "/api/v1/token", "200", 2.0),
        ("POST", "/api/v1/token", "401", 1.0),
        ("GET", "<unmatched>", "404", 1.0),
        ("GET", "/api/v1/agents", "429", 2.0),
    ] {
        assert_eq!(requests(method, path, status), count, "{method} {path} {status}\n{}", scrape.text);
    }
    for (name, labels, count) in [
        ("agentidp_tokens_issued_total", vec![("outcome", "success")], 2.0),
        ("agentidp_tokens_issued_total", vec![("outcome", "invalid_client")], 1.0),
        ("agentidp_agents_registered_total", vec![], 1.0),
        ("agentidp_rate_limit_rejections_total", vec![], 2.0),
        ("agentidp_http_request_duration_seconds_count", vec![("method", "POST"), ("path", "/api/v1/token")], 3.0),
        ("agentidp_db_query_duration_seconds_count", vec![("operation", "agent_insert")], 1.0),
        ("agentidp_db_query_duration_seconds_count", vec![("operation", "token_record_issue")], 2.0),
        ("agentidp_policy_decisions_total", vec![("decision", "error")], 0.0),
        ("agentidp_audit_write_failures_total", vec![], 0.0),
        ("agentidp_audit_batch_size_sum", vec![], 3.0),
        ("agentidp_audit_commit_duration_seconds_count", vec![], 3.0),
        ("agentidp_audit_queue_depth", vec![], 0.0),
        ("agentidp_dependency_up", vec![("dependency", "database")], 1.0),
        ("agentidp_build_info", vec![("version", env!("CARGO_PKG_VERSION"))], 1.0),
    ] {
        assert_eq!(scrape.value(name, &labels), count, "{name} {labels:?}\n{}", scrape.text);
    }
    assert!(scrape.value("agentidp_policy_decisions_total", &[("decision", "allow")]) >= 5.0);
}

fn stranger(id: &str) -> crate::support::Client {
    crate::support::Client { id: id.to_owned(), secret: "aidp_wrong".to_owned(), credential_id: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_does_not_answer_is_counted() {
    let app = TestApp::start(Database::Sqlite).await;
    let token = app.admin_token().await;
    app.execute(WITHOUT_TABLES);
    assert_eq!(app.call("GET", "/api/v1/agents").bearer("forged").send().await.status, 503);
    assert_eq!(app.call("GET", "/api/v1/agents").bearer(&token).send().await.status, 503);
    let scrape = Scrape::of(&app).await;
    assert_eq!(scrape.value("agentidp_audit_write_failures_total", &[]), 1.0, "{}", scrape.text);
    assert_eq!(scrape.value("agentidp_db_errors_total", &[("operation", "token_standing")]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_more_series() {
    let database = TestDatabase::make(Database::Sqlite).await;
    let config = TestApp::config_of(&database, &[]);
    let keys = wiring::master_keys(&config, false).unwrap();
    let store = wiring::open_store(&config.database.url).await.unwrap();
    store.migrate().await.unwrap();
    let system = wiring::build(&config, store, &keys, "http://localhost", wiring::ambient()).await.unwrap();
    let state = Arc::clone(&system.state);
    let endpoint = agentidp::http::endpoint(system.state);
    let send = async |method: &str, path: String| {
        let method = poem::http::Method::from_bytes(method.as_bytes()).unwrap();
        endpoint.get_response(poem::Request::builder().method(method).uri(path.parse().unwrap()).finish()).await
    };
    let round = async |number: usize| {
        let id = uuid::Uuid::from_u128(number as u128);
        send("GET", format!("/api/v1/agents/{id}")).await;
        send("DELETE", format!("/api/v1/agents/{id}/credentials/{id}")).await;
        send("GET", format!("/api/v1/{number}?x={id}")).await;
        send("GET", format!("/{number}/{id}")).await;
        send(&format!("M{number}"), "/api/v1/agents".to_owned()).await;
    };
    // Not those of functions: the other tests of this process make them as well.
    let series = || state.metrics.text().unwrap().lines().filter(|line| line.starts_with("agentidp_")).count();
    round(0).await;
    let before = series();
    for number in 1..=10_000 {
        round(number).await;
    }
    assert_eq!(series(), before, "{}", state.metrics.text().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_hold_no_ids_and_the_objective_has_its_bucket() {
    let app = limited_app().await;
    exercise(&app).await;
    let scrape = Scrape::of(&app).await;
    assert!(!scrape.text.contains(&app.admin.id) && !scrape.text.contains("team-a") && !scrape.text.contains(":param"));
    let bounds: BTreeSet<&str> = scrape.series().iter().filter_map(|series| series.labels.get("le").copied()).collect();
    for bound in ["0.005", "0.1", "0.25", "10.0", "+Inf"] {
        assert!(bounds.contains(bound), "{bound} is not in {bounds:?}");
    }
    let raw = scrape.series().into_iter().filter_map(|series| series.labels.get("path").copied());
    let routes: BTreeSet<&str> =
        agentidp::http::operations::OPERATIONS.iter().map(|operation| operation.path).collect();
    for path in raw {
        assert!(routes.contains(path) || path == "<unmatched>" || path == "/metrics", "{path}");
    }
}

/// The table of `docs/METRICS.md`, made of what is served.
#[tokio::test(flavor = "multi_thread")]
async fn the_documented_table_is_what_is_served() {
    let app = limited_app().await;
    exercise(&app).await;
    app.execute(WITHOUT_TABLES);
    app.call("GET", "/api/v1/agents").bearer("forged").send().await;
    let scrape = Scrape::of(&app).await;
    let described = |kind: &str| -> BTreeMap<&str, &str> {
        let lines = scrape.text.lines().filter_map(|line| line.strip_prefix(&format!("# {kind} ")[..]));
        lines.map(|line| line.split_once(' ').unwrap()).collect()
    };
    let (types, helps) = (described("TYPE"), described("HELP"));
    let mut served = BTreeSet::new();
    for (name, kind) in &types {
        let of_family = scrape.series().into_iter().filter(|series| series.name.starts_with(name));
        let labels: BTreeSet<&str> =
            of_family.flat_map(|series| series.labels.into_keys()).filter(|label| *label != "le").collect();
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        served.insert(format!("| `{name}` | {kind} | {} | {} |", labels.join(", "), helps[name]));
    }
    let document = include_str!("../../../docs/METRICS.md");
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    let documented: BTreeSet<String> = rows.map(str::to_owned).collect();
    assert_eq!(documented, served);
}

/// What is counted by name is what `docs/METRICS.md` lists, in few series each.
#[tokio::test(flavor = "multi_thread")]
async fn functions_are_counted_by_documented_names() {
    let app = limited_app().await;
    exercise(&app).await;
    app.refresh_keys().await;
    app.background().rotate_keys().await.unwrap();
    let scrape = Scrape::of(&app).await;
    let series: Vec<_> =
        scrape.series().into_iter().filter(|series| series.name.starts_with("function_calls")).collect();
    let served: BTreeSet<&str> = series.iter().map(|series| series.labels["function"]).collect();
    let document = include_str!("../../../docs/METRICS.md");
    let (_, list) = document.split_once("## Functions").unwrap();
    let documented: BTreeSet<&str> =
        list.lines().filter_map(|line| line.strip_prefix("* `")?.split('`').next()).collect();
    assert!(served.is_subset(&documented), "{served:?} {documented:?}");
    for function in ["issue", "SecretRouter::verify", "RegoPolicy::decide", "KeyRing::sign", "KeyRing::read"] {
        assert!(served.contains(function), "{function} is not in {served:?}");
    }
    for job in ["Background::refresh_keys", "Background::rotate_keys"] {
        assert!(served.contains(job), "{job} is not in {served:?}");
    }
    for function in &served {
        let count = series.iter().filter(|series| series.labels["function"] == *function).count();
        assert!(count <= 25, "{function}: {count}\n{}", scrape.text);
    }
    let signed = [("function", "KeyRing::sign"), ("service_name", "agentidp"), ("caller_function", "issue")];
    let signed = series.iter().find(|series| signed.iter().all(|(name, value)| series.labels.get(name) == Some(value)));
    assert!(signed.is_some_and(|series| series.value >= 2.0), "{}", scrape.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_is_measured() {
    let app = TestApp::start(Database::Sqlite).await;
    let scrape = Scrape::of(&app).await;
    for name in ["cpu_seconds_total", "resident_memory_bytes", "open_fds", "max_fds", "start_time_seconds"] {
        assert!(scrape.value(&format!("process_{name}"), &[]) > 0.0, "{name}\n{}", scrape.text);
    }
}
