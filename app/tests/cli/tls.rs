//! The server with a certificate: mistakes in the files, renewal at SIGHUP, and its own health check.

use crate::certificates::{Authority, Pair};
use crate::harness::{Ended, Place};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

const DEV: [&str; 6] = ["dev", "--json", "--port", "0", "--data-dir", "data"];

/// A place with the two files and the variables that name them.
fn with_files(place: Place, pair: &Pair) -> Place {
    let certificate = write(&place, "cert.pem", &pair.certificate);
    let key = write(&place, "key.pem", &pair.key);
    place.with("TLS_CERT_FILE", &certificate).with("TLS_KEY_FILE", &key).with("LOG_FORMAT", "json")
}

/// Writes a file for its owner alone.
fn write(place: &Place, name: &str, text: &str) -> String {
    let path = place.write(name, text);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Asks for `/health/live` on a connection of its own; the certificate that was shown.
fn shown(authority: &Authority, base: &str) -> CertificateDer<'static> {
    let socket = TcpStream::connect(base.strip_prefix("https://").unwrap()).unwrap();
    let session = ClientConnection::new(authority.client(&[]), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(session, socket);
    stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

/// Both the check and the server refuse the files with these words.
fn refused(place: &Place, words: &[&str]) {
    for command in [&["config", "check"] as &[&str], &["serve"]] {
        let ended: Ended = place.run(command);
        ended.failed(2, words);
    }
}

#[test]
fn bad_files_are_named_before_anything_starts() {
    let authority = Authority::new();
    let (pair, other) = (authority.issue("one", 2100), authority.issue("two", 2100));
    let place = with_files(Place::of_server().with("ISSUER", "https://127.0.0.1:1"), &pair);
    place.done(&["config", "check"]);
    write(&place, "key.pem", &other.key);
    refused(&place, &["TLS_KEY_FILE", "is not the key of the first certificate in"]);
    write(&place, "key.pem", &pair.certificate);
    refused(&place, &["TLS_KEY_FILE", "holds no unencrypted private key in PEM form"]);
    let half = pair.key.lines().take(2).collect::<Vec<_>>().join("\n");
    write(&place, "key.pem", &half);
    let ended = place.run(&["config", "check"]);
    ended.failed(2, &["TLS_KEY_FILE"]);
    assert!(!ended.stderr.contains(half.lines().last().unwrap()), "the key is not quoted");
    write(&place, "key.pem", &pair.key);
    write(&place, "cert.pem", &pair.key);
    refused(&place, &["TLS_CERT_FILE", "holds no certificate in PEM form"]);
    write(&place, "cert.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    refused(&place, &["TLS_CERT_FILE", "does not begin with an X.509 certificate"]);
    std::fs::remove_file(place.path("cert.pem")).unwrap();
    refused(&place, &["TLS_CERT_FILE", "cert.pem` cannot be opened"]);
    write(&place, "cert.pem", &pair.certificate);
    let place = place.with("ISSUER", "http://127.0.0.1:1");
    refused(&place, &["ISSUER: must begin with `https:` beside TLS_CERT_FILE"]);
}

#[test]
fn a_renewed_certificate_is_shown_after_a_hang_up() {
    let authority = Authority::new();
    let first = authority.issue("first", 2100);
    let place = with_files(Place::bare(), &first);
    let mut running = place.start(&DEV);
    let greeting = running.line();
    let base = greeting["baseUrl"].as_str().unwrap();
    assert!(base.starts_with("https://127.0.0.1:"), "{base}");
    assert_eq!(greeting["metricsUrl"].as_str().unwrap(), format!("{base}/metrics"));
    running.logs("the TLS certificate is in use", 1);
    let old = shown(&authority, base);
    place.done(&["healthcheck", "--url", base]);

    let second = authority.issue("second", 2021);
    write(&place, "cert.pem", &second.certificate);
    running.hang_up();
    running.logs("the TLS certificate was not changed", 1);
    running.logs("is not the key of the first certificate", 1);
    assert_eq!(shown(&authority, base), old);
    place.run(&["healthcheck", "--url", base]).failed(1, &["does not prove to hold the certificate of TLS_CERT_FILE"]);

    let third = authority.issue("third", 2101);
    write(&place, "cert.pem", &third.certificate);
    write(&place, "key.pem", &third.key);
    running.hang_up();
    running.logs("CN=third", 1);
    assert_ne!(shown(&authority, base), old);
    place.done(&["healthcheck", "--url", base]);
    let ended = running.terminate();
    assert_eq!(ended.code, 0);
    for warning in ["has expired", "everybody on this machine"] {
        assert!(!ended.stderr.contains(warning), "{ended:?}");
    }
}

#[test]
fn what_is_legal_and_wants_to_be_looked_at_is_warned_of() {
    let place = with_files(Place::bare(), &Authority::new().issue("old", 2021));
    std::fs::set_permissions(place.path("key.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut running = place.start(&DEV);
    running.line();
    running.logs("cert.pem` has expired", 1);
    running.logs("key.pem` can be read by everybody on this machine", 1);
    assert_eq!(running.terminate().code, 0);
    let checked = place.done(&["config", "check", "--profile", "dev"]);
    assert_eq!(checked.stdout, "the configuration is good\n");
    for words in ["warning: TLS_CERT_FILE: ", "has expired", "warning: TLS_KEY_FILE: ", "can be read by everybody"] {
        assert!(checked.stderr.contains(words), "{checked:?}");
    }
    let told = place.done(&["config", "check", "--profile", "dev", "--json"]).json();
    let names: Vec<_> = told["warnings"].as_array().unwrap().iter().map(|warning| &warning["name"]).collect();
    assert_eq!(names, ["TLS_CERT_FILE", "TLS_KEY_FILE"]);
    assert_eq!(told["ok"], true);
}

#[test]
fn health_is_asked_only_of_the_server_that_holds_the_certificate() {
    let authority = Authority::new();
    let served = with_files(Place::bare(), &authority.issue("a", 2100));
    let mut running = served.start(&DEV);
    let greeting = running.line();
    let base = greeting["baseUrl"].as_str().unwrap();
    let place = Place::bare();
    place.run(&["healthcheck", "--url", base]).failed(2, &["set TLS_CERT_FILE and TLS_KEY_FILE of the server"]);
    let port = base.rsplit_once(':').unwrap().1;
    let place = with_files(place, &authority.issue("a", 2100)).with("PORT", port);
    place.run(&["healthcheck"]).failed(1, &["does not prove to hold the certificate of TLS_CERT_FILE"]);
    served.with("PORT", port).done(&["healthcheck"]);
}
