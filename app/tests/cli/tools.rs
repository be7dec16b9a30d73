//! `config check`, and the start of a server with a bad policy.

use crate::harness::{Place, policy};
use serde_json::json;

#[test]
fn a_good_configuration_is_good() {
    let place = Place::of_server();
    assert_eq!(place.done(&["config", "check"]).stdout, "the configuration is good\n");
    assert_eq!(place.done(&["config", "check", "--json"]).json(), json!({"ok": true, "mistakes": [], "warnings": []}));
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
fn a_server_does_not_start_with_a_bad_policy() {
    let place = Place::bare();
    let folder = policy(&place, "package agentidp.authz", "package other.authz");
    let place = place.with("POLICY_DIR", &folder);
    place.run(&["dev", "--json", "--port", "0", "--data-dir", "data"]).failed(2, &["policy"]);
}
