//! `config check` and `policy check`.

use crate::harness::{Place, policy};
use serde_json::json;

#[test]
fn a_good_configuration_is_good() {
    let place = Place::of_server();
    assert_eq!(place.done(&["config", "check"]).stdout, "the configuration is good\n");
    assert_eq!(place.done(&["config", "check", "--json"]).json(), json!({"ok": true, "mistakes": []}));
    Place::bare().done(&["config", "check", "--profile", "dev"]);
    let file = place.write("other.toml", "token_ttl_seconds = 120\n");
    place.done(&["config", "check", "--config", &file]);
}

#[test]
fn every_mistake_of_a_configuration_is_told() {
    let place = Place::of_server().with("PORT", "x").with("ISSUER", "ftp://a").with("MASTER_KEY", "c2hvcnQ=");
    place.run(&["config", "check"]).failed(2, &["PORT: ", "ISSUER: ", "MASTER_KEY: "]);
    place.write("agentidp.toml", "token_ttl = 1\n");
    let ended = place.run(&["config", "check", "--json"]);
    assert_eq!(ended.code, 2);
    let told = ended.json();
    assert_eq!(told["ok"], false);
    let mut names: Vec<&str> =
        told["mistakes"].as_array().unwrap().iter().map(|mistake| mistake["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["ISSUER", "MASTER_KEY", "PORT", "token_ttl"]);
    assert!(!format!("{ended:?}").contains("c2hvcnQ="), "a secret is not quoted");
}

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
    let folder = policy(&place, "admin if \"admin:all\" in scopes", "admin if ]");
    let text = std::fs::read_to_string(place.path("policy/authz.rego")).unwrap();
    let line = 1 + text.lines().position(|line| line == "admin if ]").unwrap();
    let ended = place.run(&["policy", "check", &folder]);
    ended.failed(2, &[&format!("authz.rego:{line}:")]);
    let folder =
        policy(&place, "allow(rule, reason) := {\"allow\": true", "allow(rule, reason) := {\"allow\": \"yes\"");
    place.run(&["policy", "check", &folder]).failed(2, &["trial decision"]);
    policy(&place, "# Who", "# Who");
    place.write("policy/data/scopes.json", "[");
    place.run(&["policy", "check", &folder]).failed(2, &["policy"]);
    place.run(&["policy", "check", "nowhere"]).failed(2, &["nowhere"]);
}

#[test]
fn a_server_does_not_start_with_a_bad_policy() {
    let place = Place::bare();
    let folder = policy(&place, "package agentidp.authz", "package other.authz");
    let place = place.with("POLICY_DIR", &folder);
    place.run(&["dev", "--json", "--port", "0", "--data-dir", "data"]).failed(2, &["policy"]);
}
