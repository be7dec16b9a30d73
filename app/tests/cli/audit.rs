//! `agentidp audit export`.

use crate::harness::Place;
use serde_json::Value;

#[test]
fn the_log_is_exported_newest_first_and_by_time() {
    let place = Place::of_server();
    place.done(&["migrate"]);
    (0..101).for_each(|_| drop(place.done(&["bootstrap", "--recover"])));
    let text = place.done(&["audit", "export"]).stdout;
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.len() > 100, "more than a page");
    assert!(events.iter().all(|event| event["action"] == "bootstrap.completed"));
    let ids: std::collections::BTreeSet<&str> = events.iter().map(|event| event["eventId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), events.len(), "none twice");
    let times: Vec<&str> = events.iter().map(|event| event["timestamp"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older));
    let since = place.done(&["audit", "export", "--from", times[0]]).stdout;
    assert_eq!(since.lines().count(), times.iter().filter(|time| **time == times[0]).count());
    let before = place.done(&["audit", "export", "--to", times[times.len() - 1]]);
    assert_eq!(before.stdout, "");
    place.run(&["audit", "export", "--from", "yesterday"]).failed(2, &["--from", "RFC 3339"]);
}

#[test]
fn a_database_that_is_not_there_is_named() {
    let place = Place::of_server();
    place.run(&["audit", "export"]).failed(1, &["agentidp migrate"]);
}
