//! `serve` and the commands that prepare its database.

use crate::harness::{MASTER_KEY, OTHER_MASTER_KEY, Place, admin_token, get};
use serde_json::{Value, json};

/// A place whose database has its schema and an administrator.
pub fn prepared() -> (Place, Value) {
    let place = Place::of_server();
    place.done(&["migrate"]);
    let admin = place.done(&["bootstrap", "--json"]).json();
    (place, admin)
}

#[test]
fn every_missing_setting_is_named_at_once() {
    let ended = Place::bare().run(&["serve"]);
    ended.failed(2, &["ISSUER: is required", "MASTER_KEY: is required", "openssl rand -base64 32"]);
    let more = Place::bare().with("PORT", "many").with("TOKEN_TTL_SECONDS", "5").run(&["serve"]);
    more.failed(2, &["ISSUER", "MASTER_KEY", "PORT", "TOKEN_TTL_SECONDS"]);
}

#[test]
fn nothing_runs_on_an_older_schema() {
    let place = Place::of_server();
    for command in
        [&["serve"] as &[&str], &["bootstrap"], &["keys", "list"], &["keys", "rotate"], &["credentials", "status"]]
    {
        place.run(command).failed(1, &["run `agentidp migrate`", "create_agents"]);
    }
}

#[test]
fn migrate_and_bootstrap_make_a_server() {
    let (place, admin) = prepared();
    let mut keys: Vec<_> = admin.as_object().unwrap().keys().collect();
    keys.sort_unstable();
    assert_eq!(keys, ["clientId", "clientSecret"]);
    let mut server = place.start(&["serve"]);
    let url = server.url();
    let token = admin_token(&url, &admin);
    assert_eq!(get(&url, "/api/v1/agents", &token).0, 200);
    place.done(&["healthcheck", "--url", &url]);
    let port = url.rsplit_once(':').unwrap().1;
    let place = place.with("PORT", port);
    place.done(&["healthcheck"]);
    let ended = server.terminate();
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
    Place::bare().run(&["healthcheck", "--url", &url]).failed(1, &["agentidp: no server at 127.0.0.1:"]);
    Place::bare().run(&["healthcheck", "--url", "ftp://127.0.0.1"]).failed(2, &["must begin with `http:` or `https:`"]);
}

#[test]
fn migrating_again_changes_nothing() {
    let place = Place::of_server();
    let applied = place.done(&["migrate", "--json"]).json();
    let names: Vec<&str> = applied["applied"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(names.len() >= 14 && names[0].ends_with("create_agents"), "{names:?}");
    assert_eq!(place.done(&["migrate", "--json"]).json(), json!({"applied": []}));
    assert_eq!(place.done(&["migrate"]).stdout, "the schema is up to date\n");
}

#[test]
fn administrators_are_made_once_or_to_recover() {
    let (place, first) = prepared();
    place.run(&["bootstrap"]).failed(1, &["there is an administrator already", "bootstrap --recover"]);
    let second = place.done(&["bootstrap", "--recover", "--json", "--owner", "rescue"]).json();
    assert_ne!(first["clientId"], second["clientId"]);
    let mut server = place.start(&["serve"]);
    let url = server.url();
    admin_token(&url, &first);
    let token = admin_token(&url, &second);
    let (status, events) = get(&url, "/api/v1/audit?action=bootstrap.completed", &token);
    assert_eq!(status, 200);
    let told: Vec<_> = events["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["agentId"].clone(), event["metadata"]["recover"].clone(), event["actor"].clone()))
        .collect();
    let expected = [(&second, true), (&first, false)]
        .map(|(admin, recover)| (admin["clientId"].clone(), json!(recover), Value::Null));
    assert_eq!(told, expected);
}

#[test]
fn commands_do_not_write_under_another_master_key() {
    let (place, _) = prepared();
    let place = place.with("MASTER_KEY", OTHER_MASTER_KEY);
    for command in [&["serve"] as &[&str], &["dev"], &["bootstrap", "--recover"], &["keys", "rotate"]] {
        let ended = place.run(command);
        ended.failed(2, &["MASTER_KEY", "MASTER_KEY_PREVIOUS"]);
        assert!(!ended.stderr.contains(OTHER_MASTER_KEY) && !ended.stderr.contains("\"serving\""), "{ended:?}");
    }
    let place = place.with("MASTER_KEY_PREVIOUS", MASTER_KEY);
    place.done(&["bootstrap", "--recover"]);
    place.done(&["keys", "rotate"]);
    let mut server = place.start(&["serve"]);
    server.url();
    assert_eq!(server.terminate().code, 0);
    let mut server = place.start(&["dev", "--json"]);
    server.line();
    assert_eq!(server.terminate().code, 0);
}

#[test]
fn a_master_key_may_lie_in_a_file() {
    let (place, admin) = prepared();
    let file = place.write("key", &format!("{MASTER_KEY}\n"));
    let place = place.with("MASTER_KEY", "").with("MASTER_KEY_FILE", &file);
    let mut server = place.start(&["serve"]);
    let url = server.url();
    admin_token(&url, &admin);
}
