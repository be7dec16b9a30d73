//! A policy that changes under a running server: a good one takes the place of the old one, a bad one does not.

use crate::harness::{Place, Running, admin_token, get, http, policy};
use serde_json::Value;

/// A server over the shipped policy in a folder, its address, and a token of the administrator.
fn watched() -> (Place, Running, String, String) {
    let place = Place::bare();
    let folder = policy(&place, "# Who", "# Who");
    let place = place.with("POLICY_DIR", &folder).with("LOG_FORMAT", "json");
    let mut running = place.start(&["dev", "--json", "--port", "0", "--data-dir", "data"]);
    let greeting = running.line();
    let base = greeting["baseUrl"].as_str().unwrap().to_owned();
    let admin = admin_token(&base, &greeting);
    (place, running, base, admin)
}

fn hash(base: &str) -> Value {
    let (status, health) = http(base, "GET", "/health", &[], "");
    assert_eq!(status, 200);
    health["services"]["policy"]["hash"].clone()
}

/// The newest event of an action.
fn event(base: &str, token: &str, action: &str) -> Value {
    let (status, page) = get(base, &format!("/api/v1/audit?action={action}"), token);
    assert_eq!(status, 200);
    page["data"][0].clone()
}

#[test]
fn the_policy_is_read_anew_and_only_a_good_one_counts() {
    let (place, mut running, base, admin) = watched();
    let base = base.as_str();
    let first = hash(base);

    running.hang_up();
    running.logs("the policy has not changed", 1);
    assert_eq!(event(base, &admin, "policy.reloaded"), Value::Null);

    policy(&place, "# Who", "# Whoever");
    running.hang_up();
    running.logs("another policy is in force", 1);
    let second = hash(base);
    assert_ne!(second, first);
    let reloaded = event(base, &admin, "policy.reloaded");
    assert_eq!((&reloaded["policyHash"], &reloaded["metadata"]["from"]), (&second, &first));

    policy(&place, "admin if \"admin:all\" in input.scopes", "admin if ]");
    running.hang_up();
    running.logs("the policy was not changed", 1);
    assert_eq!(hash(base), second);
    let rejected = event(base, &admin, "policy.rejected");
    assert_eq!((&rejected["outcome"], &rejected["reason"]), (&"failure".into(), &"bad_policy".into()));
    assert!(rejected["metadata"]["problem"].as_str().unwrap().contains("authz.rego:"), "{rejected}");
    assert_eq!(get(base, "/api/v1/agents", &admin).0, 200, "the old one decides");
    assert_eq!(running.terminate().code, 0);
}

#[test]
fn a_server_without_a_folder_lives_through_it() {
    let place = Place::bare().with("LOG_FORMAT", "json");
    let mut running = place.start(&["dev", "--json", "--port", "0", "--data-dir", "data"]);
    let greeting = running.line();
    running.hang_up();
    running.logs("there is no policy to read anew", 1);
    admin_token(greeting["baseUrl"].as_str().unwrap(), &greeting);
    assert_eq!(running.terminate().code, 0);
}

/// It has the shipped rules in it, and reads the table of scopes at the start only.
#[test]
fn the_table_takes_no_rules_and_no_reload() {
    let place = Place::bare();
    let folder = policy(&place, "# Who", "# Whoever");
    let place = place.with("POLICY_DIR", &folder).with("POLICY_ENGINE", "table").with("LOG_FORMAT", "json");
    let start = ["dev", "--json", "--port", "0", "--data-dir", "data"];
    place.run(&start).failed(2, &["POLICY_ENGINE=table", "use `rego`"]);
    policy(&place, "# Who", "# Who");
    let mut running = place.start(&start);
    running.line();
    running.hang_up();
    running.logs("or the table", 1);
    assert_eq!(running.terminate().code, 0);
}

/// What is counted of reloads.
fn counted(base: &str, outcome: &str) -> String {
    let (_, metrics) = http(base, "GET", "/metrics", &[], "");
    let name = format!("agentidp_policy_reloads_total{{outcome=\"{outcome}\"}} ");
    let lines = metrics.as_str().unwrap().lines();
    lines.filter_map(|line| line.strip_prefix(&name)).next().unwrap_or("none").to_owned()
}

#[test]
fn a_folder_that_changes_is_read_by_itself() {
    let (place, mut running, base, admin) = watched();
    let base = base.as_str();
    let first = hash(base);

    policy(&place, "# Who", "# Whoever");
    running.logs("another policy is in force", 1);
    let second = hash(base);
    assert_ne!(second, first);
    assert_eq!(event(base, &admin, "policy.reloaded")["policyHash"], second);

    // A test that does not hold keeps a policy out, and the policy comes in when the test is mended.
    place.write("policy/own_test.rego", "package own_test\n\ntest_own if false\n");
    policy(&place, "# Who", "# Whoso");
    running.logs("the policy was not changed", 1);
    assert_eq!(hash(base), second);
    let problem = event(base, &admin, "policy.rejected")["metadata"]["problem"].to_string();
    assert!(problem.contains("data.own_test.test_own"), "{problem}");
    place.write("policy/own_test.rego", "package own_test\n\ntest_own if true\n");
    running.logs("another policy is in force", 2);
    let third = hash(base);
    assert_ne!(third, second);

    // A bad one is told of once, however often it is seen.
    std::fs::remove_file(place.path("policy/data/scopes.json")).unwrap();
    running.logs("the policy was not changed", 2);
    std::thread::sleep(std::time::Duration::from_millis(3500));
    running.logs("the policy was not changed", 2);
    assert_eq!((hash(base), get(base, "/api/v1/agents", &admin).0), (third.clone(), 200));
    policy(&place, "# Who", "# Whoso");
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!((hash(base), counted(base, "reloaded"), counted(base, "rejected")), (third, "2".into(), "2".into()));
    assert_eq!(running.terminate().code, 0);
}

/// What needs all memory or all of the stack, or has no end, harms the process that tries it and no other.
#[test]
fn a_policy_that_is_tried_does_not_harm_the_server() {
    let (place, mut running, base, admin) = watched();
    let base = base.as_str();
    let first = hash(base);

    let doubled = |n: usize| format!("x{n} := concat(\"\", [x{}, x{}])\n\n", n - 1, n - 1);
    let doubled: String = (1..=40).map(doubled).collect();
    place.write(
        "policy/own_test.rego",
        &format!("package own_test\n\nx0 := \"x\"\n\n{doubled}test_huge if count(x40) > 0\n"),
    );
    policy(&place, "# Who", "# Whoever");
    running.hang_up();
    running.logs("the policy was not changed", 1);
    assert!(running.stderr().contains("ended the process that tried them"), "{}", running.stderr());
    assert_eq!((hash(base), get(base, "/api/v1/agents", &admin).0), (first.clone(), 200));

    let deep = format!("package own_test\n\ndeep := {}\n", format!("{}\n", "[".repeat(1000)).repeat(90));
    place.write("policy/own_test.rego", &deep);
    running.hang_up();
    running.logs("the policy was not changed", 2);
    assert_eq!((hash(base), get(base, "/api/v1/agents", &admin).0), (first, 200));

    // The end of the server is not held up by tests that take their time.
    let slow = "[0 | some _ in ten; some _ in ten; some _ in ten; some _ in ten; some _ in ten; some _ in ten; some _ in ten; some _ in ten]";
    let slow =
        format!("package own_test\n\nten := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n\ntest_slow if count({slow}) == 1\n");
    place.write("policy/own_test.rego", &slow);
    running.hang_up();
    std::thread::sleep(std::time::Duration::from_secs(1));
    let asked = std::time::Instant::now();
    assert_eq!(running.terminate().code, 0);
    assert!(asked.elapsed() < std::time::Duration::from_secs(8), "{:?}", asked.elapsed());
}
