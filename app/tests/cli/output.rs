//! What becomes of a command whose output nobody reads, or nobody can keep.

use crate::harness::Place;
use crate::ports::free_port;
use crate::serve::prepared;
use std::fs::File;
use std::process::Stdio;

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (place, _) = prepared();
    for arguments in [
        &["--help"] as &[&str],
        &["keys", "rotate", "--help"],
        &["openapi"],
        &["completion", "zsh"],
        &["config", "check"],
        &["policy", "test"],
        &["audit", "export"],
        &["keys", "rotate", "--json"],
        &["keys", "list"],
    ] {
        let mut child = place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!((ended.status.code(), said.as_ref()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let (place, _) = prepared();
    for arguments in [&["openapi"] as &[&str], &["audit", "export"], &["bootstrap", "--recover", "--json"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ended = place.command(arguments).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}");
        assert!(said.contains("cannot be written"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_development_server_serves_whoever_reads_its_greeting() {
    let place = Place::bare();
    let port = free_port().to_string();
    let mut child =
        place.command(&["dev", "--port", &port]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    let url = format!("http://127.0.0.1:{port}");
    let start = std::time::Instant::now();
    while place.run(&["healthcheck", "--url", &url]).code != 0 {
        assert!(child.try_wait().unwrap().is_none() && start.elapsed().as_secs() < 40);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
