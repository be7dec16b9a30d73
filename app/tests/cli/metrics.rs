//! A listener of its own for the metrics.

use crate::harness::{Place, http};
use std::net::{TcpListener, TcpStream};

const DEV: [&str; 6] = ["dev", "--json", "--port", "0", "--data-dir", "data"];

#[test]
fn metrics_move_to_their_own_listener_and_stop_with_the_server() {
    let place = Place::bare().with("METRICS_ADDR", "127.0.0.1:0");
    let mut running = place.start(&DEV);
    let greeting = running.line();
    let base = greeting["baseUrl"].as_str().unwrap();
    let apart = greeting["metricsUrl"].as_str().unwrap().strip_suffix("/metrics").unwrap();
    assert_ne!(apart, base);
    assert_eq!(http(apart, "GET", "/metrics", &[], "").0, 200);
    assert_eq!(http(apart, "POST", "/metrics", &[], "").0, 405);
    for path in ["/", "/health", "/health/ready", "/api/v1/agents", "/openapi.json", "/.well-known/jwks.json"] {
        let (status, body) = http(apart, "GET", path, &[], "");
        assert_eq!((status, body["code"].as_str()), (404, Some("NOT_FOUND")), "{path}");
    }
    let (status, body) = http(base, "GET", "/metrics", &[], "");
    assert_eq!((status, body["code"].as_str()), (404, Some("NOT_FOUND")));
    assert_eq!(http(base, "GET", "/health/ready", &[], "").0, 200);
    let address = apart.strip_prefix("http://").unwrap().to_owned();
    assert_eq!(running.terminate().code, 0);
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let place = Place::bare().with("METRICS_ADDR", &address);
    place.run(&DEV).failed(1, &[&format!("cannot listen on {address}"), "choose another port with METRICS_ADDR"]);
    assert!(!place.path("data").exists(), "nothing was made");
    let place = Place::bare().with("METRICS_ADDR", "9090");
    place.run(&DEV).failed(2, &["METRICS_ADDR: `9090` is not an IP address and a port"]);
}
