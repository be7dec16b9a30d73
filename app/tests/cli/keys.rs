//! `keys list|rotate|revoke`, beside a server that runs.

use crate::harness::{MASTER_KEY, OTHER_MASTER_KEY, Place, Running, admin_token, get, http};
use crate::serve::prepared;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The keys that `keys list` shows, oldest first.
fn all_keys(place: &Place) -> Vec<Value> {
    let text = place.done(&["keys", "list", "--json"]).stdout;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Those of JWTs.
fn keys(place: &Place) -> Vec<Value> {
    all_keys(place).into_iter().filter(|key| key["use"] == "jwt").collect()
}

fn states(place: &Place) -> Vec<Value> {
    keys(place).into_iter().map(|mut key| key["state"].take()).collect()
}

fn kid(key: &Value) -> &str {
    key["kid"].as_str().unwrap()
}

/// Waits until the server's key set has exactly these keys, newest first; it must not take longer than promised.
fn published(server: &mut Running, url: &str, expected: &[&str]) {
    let start = Instant::now();
    server.wait_for(|_| {
        let (_, set) = get(url, "/.well-known/jwks.json", "");
        let kids: Vec<&str> = set["keys"].as_array().unwrap().iter().map(kid).collect();
        (kids == expected).then_some(())
    });
    assert!(start.elapsed().as_secs() < 10, "4 seconds, on a test machine that may be busy");
}

#[test]
fn a_rotated_key_is_published_by_a_running_server() {
    let (place, admin) = prepared();
    let mut server = place.start(&["serve"]);
    let url = server.url();
    let token = admin_token(&url, &admin);
    let new = place.done(&["keys", "rotate", "--use", "jwt", "--json"]).json();
    assert_eq!((&new["state"], &new["algorithm"]), (&json!("published"), &json!("ES256")));
    assert_eq!(states(&place), ["signs", "published"]);
    let old = keys(&place).remove(0);
    published(&mut server, &url, &[kid(&new), kid(&old)]);
    assert_eq!(get(&url, "/api/v1/agents", &token).0, 200);
    let text = place.done(&["keys", "list"]).stdout;
    assert!(text.contains(&format!("{}  jwt      ES256  published  signs from ", kid(&new))), "{text}");
}

#[test]
fn both_uses_are_rotated_and_revoked() {
    let (place, _) = prepared();
    let lines = place.done(&["keys", "rotate", "--json"]).stdout;
    assert_eq!(lines.lines().count(), 2, "{lines}");
    place.done(&["keys", "rotate", "--use", "biscuit"]);
    place.run(&["keys", "rotate", "--use", "mac"]).failed(2, &["`jwt` `biscuit`"]);
    let roots = || all_keys(&place).into_iter().filter(|key| key["use"] == "biscuit").collect::<Vec<_>>();
    assert_eq!((keys(&place).len(), roots().len()), (1, 2));
    let signs = roots().into_iter().find(|key| key["state"] == "signs").unwrap();
    let done = place.done(&["keys", "revoke", kid(&signs), "--json"]).json();
    let spare = roots().into_iter().find(|key| key["state"] == "signs").unwrap();
    assert_eq!(done["replacedBy"], spare["kid"], "no JWT key stands in for a root key");
}

#[test]
fn a_revoked_key_is_dropped_by_every_running_server() {
    let (place, admin) = prepared();
    let place = place.with("RATE_LIMIT_PER_MINUTE", "0");
    let mut servers = [place.start(&["serve"]), place.start(&["serve"])].map(|mut server| (server.url(), server));
    let token = admin_token(&servers[0].0, &admin);
    for (url, _) in &servers {
        assert_eq!(get(url, "/api/v1/agents", &token).0, 200);
    }
    let old = keys(&place).remove(0);
    let done = place.done(&["keys", "revoke", kid(&old), "--json"]).json();
    let revoked = Instant::now();
    assert_eq!(done["kid"], old["kid"]);
    for (url, server) in &mut servers {
        server.wait_for(|_| (get(url, "/api/v1/agents", &token).0 == 401).then_some(()));
        assert!(revoked.elapsed() < Duration::from_secs(5), "{url}: {:?}", revoked.elapsed());
        published(server, url, &[done["replacedBy"].as_str().unwrap()]);
    }
    let token = admin_token(&servers[1].0, &admin);
    for (url, _) in &servers {
        assert_eq!(get(url, "/api/v1/agents", &token).0, 200);
    }
    assert_eq!(states(&place), ["revoked", "signs"]);
    let again = place.done(&["keys", "revoke", "--json", kid(&old)]).json();
    assert_eq!(again, json!({"kid": old["kid"], "revokedAt": done["revokedAt"], "replacedBy": null}));
    assert_eq!(keys(&place).len(), 2);
}

#[test]
fn an_unknown_key_is_not_revoked() {
    let (place, _) = prepared();
    // A name may begin with a hyphen.
    for arguments in [&["-x_Y", "--json"], &["--json", "-x_Y"]] {
        place.run(&[&["keys", "revoke"] as &[&str], arguments].concat()).failed(1, &["there is no signing key `-x_Y`"]);
    }
    assert_eq!(all_keys(&place), [] as [Value; 0]);
}

#[test]
fn keys_are_not_changed_under_another_master_key() {
    let (place, _) = prepared();
    let new = place.done(&["keys", "rotate", "--use", "jwt", "--json"]).json();
    assert_eq!(new["state"], "signs", "without another it signs at once");
    let place = place.with("MASTER_KEY", OTHER_MASTER_KEY);
    for command in [&["keys", "rotate"] as &[&str], &["keys", "revoke", kid(&new)]] {
        place.run(command).failed(2, &["MASTER_KEY_PREVIOUS"]);
    }
    assert_eq!(states(&place), ["signs"]);
}

#[test]
fn the_previous_master_key_can_go_when_nothing_is_under_it() {
    let (place, admin) = prepared();
    let place = place.with("ISSUER", "http://127.0.0.1:9");
    let mut server = place.start(&["serve"]);
    let token = admin_token(&server.url(), &admin);
    assert_eq!(server.terminate().code, 0);

    let place = place.with("MASTER_KEY", OTHER_MASTER_KEY).with("MASTER_KEY_PREVIOUS", MASTER_KEY);
    let mut server = place.start(&["serve"]);
    let url = server.url();
    let path = format!("/api/v1/agents/{}/credentials", admin["clientId"].as_str().unwrap());
    let (status, credentials) = get(&url, &path, &token);
    assert_eq!(status, 200, "the signing key came along: {credentials}");
    let place = place.with("MASTER_KEY_PREVIOUS", "");
    // The digest of a secret cannot move: only a new secret is under the new key.
    place.run(&["serve"]).failed(2, &["MASTER_KEY_PREVIOUS"]);
    let path = format!("{path}/{}/rotate", credentials["data"][0]["credentialId"].as_str().unwrap());
    let (status, rotated) = http(&url, "POST", &path, &[("Authorization", &format!("Bearer {token}"))], "");
    assert_eq!(status, 200, "{rotated}");
    assert_eq!(server.terminate().code, 0);

    let mut server = place.start(&["serve"]);
    let url = server.url();
    let secret = json!({"clientId": admin["clientId"], "clientSecret": rotated["clientSecret"]});
    assert_eq!(get(&url, "/api/v1/agents", &admin_token(&url, &secret)).0, 200);
    assert_eq!(all_keys(&place).len(), 2, "they are the same keys");
}

#[test]
fn the_signing_keys_are_listed() {
    let (place, _) = prepared();
    assert_eq!(place.done(&["keys", "list", "--json"]).stdout, "", "the first server makes the first key");
    let mut server = place.start(&["serve"]);
    server.url();
    server.terminate();
    let all = all_keys(&place);
    let told = |key: &Value| (key["use"].to_string(), key["algorithm"].to_string());
    let mut uses: Vec<_> = all.iter().map(told).collect();
    uses.sort_unstable();
    assert_eq!(uses, [("\"biscuit\"", "\"EdDSA\""), ("\"jwt\"", "\"ES256\"")].map(|(u, a)| (u.into(), a.into())));
    let key = &all[0];
    assert_eq!(key["revokedAt"], Value::Null);
    let mut members: Vec<_> = key.as_object().unwrap().keys().collect();
    members.sort_unstable();
    assert_eq!(members, ["activeFrom", "algorithm", "createdAt", "kid", "revokedAt", "state", "use"]);
    let text = place.done(&["keys", "list"]).stdout;
    assert!(text.starts_with(key["kid"].as_str().unwrap()), "{text}");
}
