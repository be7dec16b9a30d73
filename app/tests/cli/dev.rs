//! `agentidp dev`: one line, one server, nothing left open and nothing given away.

use crate::harness::{MASTER_KEY, Place, Running, admin_token, another, get, http, token};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

const DEV: [&str; 6] = ["dev", "--json", "--port", "0", "--data-dir", "data"];

fn serving(place: &Place) -> (Running, Value) {
    let mut running = place.start(&DEV);
    let greeting = running.line();
    (running, greeting)
}

fn mode(place: &Place, name: &str) -> u32 {
    std::fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777
}

#[test]
fn it_greets_once_and_serves() {
    let place = Place::bare();
    let (running, greeting) = serving(&place);
    let mut keys: Vec<&str> = greeting.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["baseUrl", "clientId", "clientSecret", "dashboardUrl", "docsUrl", "metricsUrl"]);
    let base = greeting["baseUrl"].as_str().unwrap();
    assert_eq!(greeting["metricsUrl"].as_str(), Some(format!("{base}/metrics").as_str()));
    assert_eq!(http(base, "GET", "/metrics", &[], "").0, 200);
    let admin = admin_token(base, &greeting);
    let (status, agents) = get(base, "/api/v1/agents", &admin);
    assert_eq!((status, &agents["data"][0]["agentId"]), (200, &greeting["clientId"]));
    assert_eq!(http(base, "GET", "/health/ready", &[], "").0, 200);
    assert_eq!((mode(&place, "data"), mode(&place, "data/master.key")), (0o700, 0o600));
    let ended = running.terminate();
    assert_eq!((ended.code, ended.stdout.lines().count()), (0, 1), "{ended:?}");
}

#[test]
fn a_second_start_goes_on_without_the_secret() {
    let place = Place::bare();
    let (running, first) = serving(&place);
    assert_eq!(running.terminate().code, 0);
    let (running, second) = serving(&place);
    assert_eq!((&second["clientId"], &second["clientSecret"]), (&first["clientId"], &Value::Null));
    let base = second["baseUrl"].as_str().unwrap();
    admin_token(base, &first);
    assert_eq!(running.terminate().code, 0);
}

#[test]
fn people_are_told_what_to_do() {
    let place = Place::bare();
    let running = place.start(&DEV[..1].iter().chain(&DEV[2..]).copied().collect::<Vec<_>>());
    let start = std::time::Instant::now();
    while !running.stdout().contains("/api/v1/token\n") {
        assert!(start.elapsed().as_secs() < 40, "{}", running.stderr());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let text = running.stdout();
    assert!(text.contains("curl -s -u '") && text.contains("aidp_") && text.contains("/docs"), "{text}");
    assert_eq!(running.terminate().code, 0);
}

#[test]
fn another_master_key_is_found_before_anything_is_served() {
    let place = Place::bare();
    let (running, _) = serving(&place);
    running.terminate();
    let kept = std::fs::read_to_string(place.path("data/master.key")).unwrap();
    place.write("data/master.key", "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY=\n");
    place.run(&DEV).failed(2, &["master key", "set MASTER_KEY to the key that this database was used with"]);
    place.write("data/master.key", "not a key\n");
    place.run(&DEV).failed(2, &["the master key in `data/master.key` is not base64", "openssl rand -base64 32"]);
    place.write("data/master.key", &kept);
    let (running, greeting) = serving(&place);
    assert_eq!(greeting["clientSecret"], Value::Null);
    running.terminate();
}

#[test]
fn a_port_in_use_is_named() {
    let place = Place::bare();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = place.run(&["dev", "--json", "--port", &port, "--data-dir", "data"]);
    ended.failed(1, &["cannot listen on 127.0.0.1", &port, "choose another port with `--port` or PORT"]);
    assert!(!place.path("data").exists(), "nothing was made");
}

#[test]
fn no_secret_is_ever_logged() {
    let place = Place::bare().with("RUST_LOG", "trace").with("MASTER_KEY", MASTER_KEY).with("LOG_FORMAT", "json");
    let (running, greeting) = serving(&place);
    let base = greeting["baseUrl"].as_str().unwrap();
    let (id, secret) = (greeting["clientId"].as_str().unwrap(), greeting["clientSecret"].as_str().unwrap());
    let admin = admin_token(base, &greeting);
    let wrong = another(secret);
    let legacy = "an-old-secret-of-another-form";
    assert_eq!(token(base, id, &wrong).0, 401);
    assert_eq!(token(base, id, legacy).0, 401);
    let bearer = format!("Bearer {admin}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let (status, made) = http(base, "POST", &format!("/api/v1/agents/{id}/credentials"), &headers, "{}");
    assert_eq!(status, 201, "{made}");
    let path = format!("/api/v1/agents/{id}/credentials/{}/rotate", made["credentialId"].as_str().unwrap());
    let (status, rotated) = http(base, "POST", &path, &headers, &json!({"graceSeconds": 60}).to_string());
    assert_eq!(status, 200, "{rotated}");
    let form = [("Authorization", bearer.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(http(base, "POST", "/api/v1/token/introspect", &form, &format!("token={admin}")).0, 200);
    assert_eq!(http(base, "POST", "/api/v1/token/revoke", &form, &format!("token={admin}")).0, 200);
    assert_eq!(get(base, &format!("/api/v1/agents?access_token={admin}"), &admin).0, 401);
    let ended = running.terminate();
    assert_eq!(ended.code, 0);
    assert!(ended.stderr.contains("issueToken"), "there is a log at all");
    let (_, signature) = admin.rsplit_once('.').unwrap();
    let text = |answer: &Value| answer["clientSecret"].as_str().unwrap().to_owned();
    for given in [secret, &wrong, legacy, &text(&made), &text(&rotated), &admin, signature, MASTER_KEY] {
        assert!(!ended.stderr.contains(given), "`{given}` was logged");
    }
    assert_eq!(ended.stdout.matches("aidp_").count(), 1, "shown once");
    for line in ended.stderr.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    }
}
