//! `policy check|test|explain|replay|export|schema`.

use crate::harness::{Place, admin_token, get, http, policy};
use crate::serve::prepared;
use serde_json::{Value, json};

#[test]
fn a_good_policy_has_a_hash() {
    let place = Place::bare();
    let builtin = place.done(&["policy", "check", "--json"]).json();
    assert_eq!(builtin["ok"], true);
    assert_eq!(builtin["hash"].as_str().unwrap().len(), 64);
    let folder = policy(&place, "# Who", "# Who");
    assert_eq!(place.done(&["policy", "check", "--json", &folder]).json(), builtin);
    let text = place.done(&["policy", "check", &folder]).stdout;
    assert_eq!(text.trim(), format!("the policy is good: {}", builtin["hash"].as_str().unwrap()));
    let folder = policy(&place, "# Who", "# Whoever");
    assert_ne!(place.done(&["policy", "check", "--json", &folder]).json()["hash"], builtin["hash"]);
}

#[test]
fn a_bad_policy_is_named_with_its_place() {
    let place = Place::bare();
    let folder = policy(&place, "admin if \"admin:all\" in input.scopes", "admin if ]");
    let text = std::fs::read_to_string(place.path("policy/authz.rego")).unwrap();
    let line = 1 + text.lines().position(|line| line == "admin if ]").unwrap();
    for command in ["check", "test"] {
        place.run(&["policy", command, &folder]).failed(2, &[&format!("authz.rego:{line}:")]);
    }
    let folder =
        policy(&place, "allow(rule, reason) := {\"allow\": true", "allow(rule, reason) := {\"allow\": \"yes\"");
    place.run(&["policy", "check", &folder]).failed(2, &["trial decision"]);
    policy(&place, "# Who", "# Who");
    place.write("policy/data/scopes.json", "[");
    place.run(&["policy", "check", &folder]).failed(2, &["policy/data/scopes.json: ", "line 1"]);
    place.run(&["policy", "check", "nowhere"]).failed(2, &["nowhere"]);
}

#[test]
fn the_tests_of_the_shipped_policy_hold() {
    let place = Place::bare();
    let told = place.done(&["policy", "test", "--json"]).json();
    let count = told["tests"].as_u64().unwrap();
    assert!(told["ok"] == true && count > 20 && told["failed"] == json!([]), "{told}");
    assert_eq!(place.done(&["policy", "test"]).stdout, format!("{count} of {count} tests hold\n"));
}

#[test]
fn a_test_that_fails_is_named() {
    let place = Place::bare();
    let folder = policy(&place, "# Who", "# Who");
    place.run(&["policy", "test", &folder, "--json"]);
    let none = place.run(&["policy", "test", &folder]);
    assert_eq!((none.code, none.stdout.as_str()), (1, "0 of 0 tests hold\n"), "no test is no success: {none:?}");
    place.write(
        "policy/own_test.rego",
        "package own_test\n\nimport data.agentidp.authz\n\ntest_good if not authz.decision.allow with input as {}\n\n\
         test_bad if authz.decision.allow with input as {}\n",
    );
    let ended = place.run(&["policy", "test", &folder]);
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.starts_with("failed  data.own_test.test_bad: it is undefined"), "{ended:?}");
    assert!(ended.stdout.ends_with("\n1 of 2 tests hold\n") && ended.stderr.contains("failed: 1"), "{ended:?}");
    let told = place.run(&["policy", "test", &folder, "--json"]);
    let json = told.json();
    assert_eq!((told.code, &json["ok"], &json["tests"]), (1, &json!(false), &json!(2)));
    assert_eq!(json["failed"][0]["name"], "data.own_test.test_bad");
    place.write("policy/own_test.rego", "package own_test\n\ntest_bad if {");
    place.run(&["policy", "test", &folder]).failed(2, &["own_test.rego:3:"]);
}

#[test]
fn the_schema_of_the_input_is_the_file_beside_the_policy() {
    let told = Place::bare().done(&["policy", "schema"]);
    assert_eq!(told.stdout, include_str!("../../../policies/schema/input.json"));
}

fn input() -> Value {
    json!({
        "operation": "queryAuditLog", "method": "GET", "path": "/api/v1/audit",
        "time": "2026-01-02T03:04:05.678Z", "scopes": ["agents:read"],
        "caller": {
            "agentId": "01a20f75-7b71-72a6-86db-4b2116d6d4fa", "owner": "team-red", "agentType": "monitor",
            "deploymentEnv": "staging", "status": "active", "capabilities": ["agents:read"], "tokenType": "jwt",
        },
    })
}

#[test]
fn a_refusal_is_explained_by_what_would_have_been_enough() {
    let place = Place::bare();
    let file = place.write("input.json", &input().to_string());
    let told = place.done(&["policy", "explain", "--input", &file, "--json"]).json();
    assert_eq!(told["policyHash"], place.done(&["policy", "check", "--json"]).json()["hash"]);
    assert_eq!(
        told["decision"],
        json!({
            "allow": false, "status": 403, "rule": "missing_scope", "owners": [], "missing": ["audit:read"],
            "scopes": null, "reason": "To query the audit log, the token needs the scope audit:read.",
        })
    );
    let scope = |name: &str| json!([{"change": "scope", "scope": name}]);
    assert_eq!(told["wouldAllow"], json!([scope("admin:all"), scope("audit:read")]));
    let text = place.done(&["policy", "explain", "--input", &file]).stdout;
    for line in ["decision   refused with 403", "rule       missing_scope", "  * the scope audit:read in the token"] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

#[test]
fn another_policy_is_asked_if_it_is_named() {
    let place = Place::bare();
    let folder = policy(&place, "\"missing_scope\"", "\"no_scope\"");
    let file = place.write("input.json", &input().to_string());
    let told = place.done(&["policy", "explain", "--json", "--input", &file, &folder]).json();
    assert_eq!(told["decision"]["rule"], "no_scope");
}

#[test]
fn a_wrong_input_is_told_whole() {
    let place = Place::bare();
    let mut wrong = input();
    wrong["caller"]["tokenType"] = json!("cookie");
    wrong.as_object_mut().unwrap().remove("method");
    let file = place.write("input.json", &wrong.to_string());
    place.run(&["policy", "explain", "--input", &file]).failed(2, &["`method` is required", "`tokenType`", "biscuit"]);
    let file = place.write("input.json", "{");
    place.run(&["policy", "explain", "--input", &file]).failed(2, &["the input is not JSON (line 1"]);
    place.run(&["policy", "explain", "--input", "nowhere.json"]).failed(1, &["`nowhere.json` cannot be read"]);
    place.run(&["policy", "explain"]).failed(2, &["--input", "--event"]);
    place.run(&["policy", "explain", "--event", "7"]).failed(2, &["must be a UUID"]);
}

/// The newest event of an action.
fn event(base: &str, token: &str, action: &str) -> Value {
    get(base, &format!("/api/v1/audit?action={action}"), token).1["data"][0].clone()
}

/// An agent that may read agents and nothing else, and a token of it.
fn registered(url: &str, admin: &str) -> (Value, String) {
    let body = json!({
        "email": "a@example.com", "agentType": "monitor", "version": "1.0.0", "owner": "team-red",
        "capabilities": ["agents:read"], "deploymentEnv": "staging",
    });
    let bearer = format!("Bearer {admin}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let (_, agent) = http(url, "POST", "/api/v1/agents", &headers, &body.to_string());
    let path = format!("/api/v1/agents/{}/credentials", agent["agentId"].as_str().unwrap());
    let (status, made) = http(url, "POST", &path, &headers, "{}");
    assert_eq!(status, 201, "{made}");
    let token = admin_token(url, &json!({"clientId": made["clientId"], "clientSecret": made["clientSecret"]}));
    (agent, token)
}

#[test]
fn an_event_is_decided_again_by_the_policy_that_was_in_force() {
    let (place, admin) = prepared();
    let folder = policy(&place, "\"missing_scope\"", "\"old_rule\"");
    let place = place.with("POLICY_DIR", &folder);
    let mut server = place.start(&["serve"]);
    let url = server.url();
    let token = admin_token(&url, &admin);
    let (_, poor) = registered(&url, &token);
    assert_eq!(get(&url, "/api/v1/audit", &poor).0, 403);
    assert_eq!(get(&url, &format!("/api/v1/agents/{}", admin["clientId"].as_str().unwrap()), &poor).0, 404);
    let explained = |event: &Value| {
        let id = event["eventId"].as_str().unwrap();
        place.done(&["policy", "explain", "--event", id, "--json"]).json()
    };

    let hidden = explained(&event(&url, &token, "authz.denied"));
    assert_eq!(
        (&hidden["decision"]["status"], &hidden["wouldAllow"]),
        (&json!(404), &json!([[{"change": "agentOwner"}]]))
    );
    assert_eq!(get(&url, "/api/v1/audit", &poor).0, 403);
    let denied = event(&url, &token, "authz.denied");
    // Another policy is in force meanwhile, and the event still tells of the one that decided.
    policy(&place, "\"missing_scope\"", "\"new_rule\"");
    server.hang_up();
    server.logs("another policy is in force", 1);
    let again = explained(&denied);
    assert_eq!((&again["decision"]["rule"], &again["event"]["reason"]), (&json!("old_rule"), &json!("old_rule")));
    assert_eq!((&again["policyHash"], &again["operation"]), (&denied["policyHash"], &json!("queryAuditLog")));
    assert_eq!(explained(&event(&url, &token, "agent.created"))["decision"]["allow"], true);
    let id = denied["eventId"].as_str().unwrap();
    let text = place.done(&["policy", "explain", "--event", id]).stdout;
    assert!(
        text.starts_with(&format!("event      {id} of ")) && text.contains("authz.denied, failure (old_rule)"),
        "{text}"
    );

    let plain = event(&url, &token, "bootstrap.completed");
    let id = plain["eventId"].as_str().unwrap();
    place.run(&["policy", "explain", "--event", id]).failed(1, &["bootstrap.completed", "carries no input"]);
    let unknown = "01a20f75-7b71-72a6-86db-4b2116d6d4fa";
    place.run(&["policy", "explain", "--event", unknown]).failed(1, &["the audit log has no event", unknown]);
}

/// The table reads less than Rego does: what it cannot read must not keep a decision of Rego from being made again.
#[test]
fn a_decision_over_data_of_ones_own_is_made_again() {
    let (place, admin) = prepared();
    let folder = policy(&place, "# Who", "# Who");
    let data = std::fs::read_to_string(place.path("policy/data/scopes.json")).unwrap();
    let own = data.replacen("\"agents:read\": {", "\"own:read\": {\"listAgents\": true}, \"agents:read\": {", 1);
    place.write("policy/data/scopes.json", &own);
    let place = place.with("POLICY_DIR", &folder);
    let mut server = place.start(&["serve"]);
    let url = server.url();
    let (_, poor) = registered(&url, &admin_token(&url, &admin));
    assert_eq!(get(&url, "/api/v1/audit", &poor).0, 403);
    let denied = event(&url, &admin_token(&url, &admin), "authz.denied");
    let told = place.done(&["policy", "explain", "--json", "--event", denied["eventId"].as_str().unwrap()]).json();
    assert_eq!((&told["policyHash"], &told["decision"]["rule"]), (&denied["policyHash"], &json!("missing_scope")));
    let told = lines(&place.done(&["policy", "replay", "--policy", &folder, "--json"]).stdout);
    assert_eq!(told.last().unwrap()["summary"]["unreadable"], 0, "{told:?}");
}

#[test]
fn a_decision_of_the_table_is_made_again_by_the_table() {
    let (place, admin) = prepared();
    let place = place.with("POLICY_ENGINE", "table");
    let mut server = place.start(&["serve"]);
    let url = server.url();
    let token = admin_token(&url, &admin);
    assert_eq!(get(&url, "/api/v1/agents/01a20f75-7b71-72a6-86db-4b2116d6d4fa", &token).0, 404);
    let denied = event(&url, &token, "authz.denied");
    let told = place.done(&["policy", "explain", "--json", "--event", denied["eventId"].as_str().unwrap()]).json();
    assert_eq!(told["policyHash"], denied["policyHash"]);
    assert_ne!(told["policyHash"], place.done(&["policy", "check", "--json"]).json()["hash"]);
}

/// A server with a few decisions behind it: an agent registered, its credential made, two tokens, and a refusal.
fn with_a_past() -> (Place, Value) {
    let (place, admin) = prepared();
    let mut server = place.start(&["serve"]);
    let url = server.url();
    let token = admin_token(&url, &admin);
    let (agent, poor) = registered(&url, &token);
    assert_eq!(get(&url, "/api/v1/audit", &poor).0, 403);
    assert_eq!(server.terminate().code, 0);
    (place, agent)
}

/// What `audit export` prints, to see that nothing was added.
fn exported(place: &Place) -> String {
    place.done(&["audit", "export"]).stdout
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_past_is_decided_again_by_a_candidate() {
    let (place, agent) = with_a_past();
    let before = exported(&place);
    let same = policy(&place, "# Who", "# Whoever");
    let told = lines(&place.done(&["policy", "replay", "--policy", &same, "--since", "1h", "--json"]).stdout);
    let decisions = before.lines().filter(|line| line.contains("\"input\"")).count();
    // Two tokens, a registration, a credential, a refusal.
    assert_eq!(decisions, 5);
    let summary = &told.last().unwrap()["summary"];
    assert_eq!((told.len(), &summary["decisions"], &summary["same"]), (1, &json!(5), &json!(5)), "{told:?}");
    assert_eq!(summary["policyHash"], place.done(&["policy", "check", &same, "--json"]).json()["hash"]);

    // Frozen owners get no tokens, and a rule has another name.
    let frozen = "} else := refuse(\"frozen\", \"Frozen.\") if {\n\tinput.caller.owner == \"team-red\"\n} else := client_grant if {";
    let candidate = policy(&place, "} else := client_grant if {", frozen);
    let text = std::fs::read_to_string(place.path("policy/authz.rego")).unwrap();
    place.write("policy/authz.rego", &text.replace("\"admin_all\"", "\"administrator\""));
    let told = lines(&place.done(&["policy", "replay", "--policy", &candidate, "--json"]).stdout);
    let summary = &told.last().unwrap()["summary"];
    assert_eq!((&summary["decisions"], &summary["otherRule"], &summary["same"]), (&json!(5), &json!(3), &json!(1)));
    assert_eq!(summary["different"], json!({"refused": 1}), "what was refused is refused otherwise: {told:?}");
    let token = &told[0];
    assert_eq!((&token["difference"], &token["operation"]), (&json!("refused"), &json!("issueToken")), "{token}");
    assert_eq!(token["caller"], json!({"agentId": agent["agentId"], "owner": "team-red"}));
    assert_eq!((&token["before"]["allow"], &token["before"]["scopes"]), (&json!(true), &json!(["agents:read"])));
    assert_eq!((&token["after"]["status"], &token["after"]["reason"]), (&json!(403), &json!("Frozen.")));

    let text = place.done(&["policy", "replay", "--policy", &candidate]).stdout;
    assert!(
        text.contains("issueToken of team-red") && text.contains("    would  refused with 403 by frozen: Frozen."),
        "{text}"
    );
    assert!(text.ends_with("1 the same, 3 the same by another rule, 1 different (1 refused)\n"), "{text}");
    assert_eq!(exported(&place), before, "it only reads");

    let future = place.done(&["policy", "replay", "--policy", &candidate, "--since", "2999-01-01T00:00:00Z"]).stdout;
    assert!(future.contains("0 decisions since 2999-01-01T00:00:00.000Z"), "{future}");
}

#[test]
fn a_replay_that_cannot_be_says_why() {
    let place = Place::of_server();
    place.run(&["policy", "replay", "--policy", "nowhere"]).failed(2, &["nowhere"]);
    let folder = policy(&place, "# Who", "# Who");
    place.run(&["policy", "replay", "--policy", &folder]).failed(1, &["agentidp migrate"]);
    place.run(&["policy", "replay", "--policy", &folder, "--since", "soon"]).failed(2, &["--since", "RFC 3339"]);
    place.run(&["policy", "replay"]).failed(2, &["--policy"]);
}

#[test]
fn the_shipped_policy_can_be_taken_out_and_is_the_same() {
    let place = Place::bare();
    let written = place.done(&["policy", "export", "mine"]).stdout;
    assert_eq!(written, "mine/authz.rego\nmine/data/scopes.json\nmine/authz_test.rego\n");
    let hash = |arguments: &[&str]| place.done(arguments).json()["hash"].clone();
    assert_eq!(hash(&["policy", "check", "mine", "--json"]), hash(&["policy", "check", "--json"]));
    assert!(place.done(&["policy", "test", "mine"]).stdout.contains("tests hold"));
    place.write("mine/authz.rego", "mine");
    place.run(&["policy", "export", "mine"]).failed(1, &["mine/authz.rego", "there already", "another folder"]);
    assert_eq!(std::fs::read_to_string(place.path("mine/authz.rego")).unwrap(), "mine");
}
