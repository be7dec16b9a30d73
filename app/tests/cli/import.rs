//! `credentials import` and `credentials status`.

use crate::harness::{Place, token};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

// Made by libxcrypt.
const SECRET: &str = "correct horse battery staple";
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG";
const OTHER_HASH: &str = "$2a$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS";
const UNKNOWN: &str = "0198c0de-0000-7000-8000-000000000000";

/// A place with an administrator; gives its id.
fn prepared() -> (Place, String) {
    let place = Place::of_server();
    place.done(&["migrate"]);
    let admin = place.done(&["bootstrap", "--json"]).json();
    (place, admin["clientId"].as_str().unwrap().to_owned())
}

fn lines(credentials: &[Value]) -> String {
    credentials.iter().map(|credential| format!("{credential}\n")).collect()
}

fn counts(place: &Place) -> Value {
    place.done(&["credentials", "status", "--json"]).json()["credentials"].clone()
}

fn count(backend: &str, count: u32) -> Value {
    json!({"backend": backend, "status": "active", "count": count})
}

#[test]
fn hashes_are_taken_over_once_and_work() {
    let (place, id) = prepared();
    let named = json!({"clientId": id, "secretHash": OTHER_HASH, "credentialId": UNKNOWN,
        "createdAt": "2025-01-01T00:00:00Z", "expiresAt": "2099-01-01T00:00:00Z"});
    let text = lines(&[json!({"clientId": id, "secretHash": HASH}), named]);
    let file = place.write("old.jsonl", &format!("\n{text}\n"));
    let ended = place.done(&["credentials", "import", "--json", &file]);
    assert_eq!(ended.json(), json!({"imported": 2, "alreadyThere": 0, "refused": 0}));
    assert!(!format!("{ended:?}").contains("$2b$"));
    assert_eq!(counts(&place), json!([count("digest", 1), count("bcrypt", 2)]));
    let again = place.done(&["credentials", "import", &file]);
    assert_eq!(again.stdout, "imported 0, already there 2, refused 0\n");
    assert_eq!(counts(&place), json!([count("digest", 1), count("bcrypt", 2)]));
    let text = place.done(&["credentials", "status"]).stdout;
    assert!(text.lines().any(|line| line.split_whitespace().eq(["bcrypt", "active", "2"])), "{text}");
    let mut server = place.start(&["serve"]);
    let url = server.url();
    assert_eq!(token(&url, &id, SECRET).0, 200);
    assert_eq!(token(&url, &id, "correct horse").0, 401);
    let log = server.terminate().stderr;
    assert!(!log.contains(SECRET) && !log.contains(HASH), "{log}");
}

#[test]
fn a_running_server_notices_within_seconds() {
    let (place, id) = prepared();
    let mut server = place.start(&["serve"]);
    let url = server.url();
    assert_eq!(token(&url, &id, SECRET).0, 401);
    let file = place.write("old.jsonl", &lines(&[json!({"clientId": id, "secretHash": HASH})]));
    place.done(&["credentials", "import", &file]);
    let start = Instant::now();
    while token(&url, &id, SECRET).0 != 200 {
        assert!(start.elapsed() < Duration::from_secs(8), "it reads the changes at least every four seconds");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn one_bad_line_and_nothing_is_written() {
    let (place, id) = prepared();
    let text = [
        json!({"clientId": id, "secretHash": HASH}).to_string(),
        "no JSON".to_owned(),
        json!({"clientId": "x", "secretHash": "$2b$13$"}).to_string(),
        json!({"clientId": id, "secretHash": HASH, "password": "x"}).to_string(),
        "[]".to_owned(),
        json!({"clientId": id}).to_string(),
    ];
    let file = place.write("bad.jsonl", &text.join("\n"));
    let ended = place.run(&["credentials", "import", "--json", &file]);
    ended.failed(2, &["nothing was imported", "line 2: ", "line 3: ", "line 4: ", "line 5: ", "line 6: "]);
    ended.failed(2, &["`clientId`", "`secretHash`", "`password`"]);
    assert!(!ended.stderr.contains("line 1: ") && !ended.stderr.contains("$2b$13$"), "{}", ended.stderr);
    assert_eq!(counts(&place), json!([count("digest", 1)]));
}

#[test]
fn an_unknown_agent_is_named_and_nothing_is_written() {
    let (place, id) = prepared();
    let text =
        lines(&[json!({"clientId": id, "secretHash": HASH}), json!({"clientId": UNKNOWN, "secretHash": OTHER_HASH})]);
    let file = place.write("old.jsonl", &text);
    let ended = place.run(&["credentials", "import", "--json", &file]);
    assert_eq!((ended.code, ended.json()), (1, json!({"imported": 0, "alreadyThere": 0, "refused": 1})));
    assert!(ended.stderr.contains("line 2: there is no agent") && ended.stderr.contains(UNKNOWN), "{ended:?}");
    assert_eq!(counts(&place), json!([count("digest", 1)]));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let (place, _) = prepared();
    place.run(&["credentials", "import", "nowhere.jsonl"]).failed(1, &["nowhere.jsonl"]);
    let empty = place.done(&["credentials", "import", "-"]);
    assert_eq!(empty.stdout, "imported 0, already there 0, refused 0\n");
}
