//! AWS Secrets Manager without a region: found before anything is asked, and told by the name of the variable.

use crate::harness::Place;
use std::net::TcpListener;
use std::time::{Duration, Instant};

const DEV: [&str; 6] = ["dev", "--json", "--port", "0", "--data-dir", "data"];
const CHECK: [&str; 4] = ["config", "check", "--profile", "dev"];
const WARNING: &str = "warning: AWS_REGION: is not set, and the profile of AWS names no region";

/// Secrets in AWS, on a machine without its metadata service.
fn place() -> Place {
    let place = Place::bare().with("AWS_EC2_METADATA_DISABLED", "true");
    place.with("AWS_ACCESS_KEY_ID", "test").with("AWS_SECRET_ACCESS_KEY", "canary-word")
}

#[test]
fn no_region_is_a_mistake_at_start_and_a_warning_before() {
    let chosen = place().with("SECRETS_BACKEND", "aws-secretsmanager");
    let endpoint = place().with("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    for place in [chosen, endpoint] {
        let ended = place.run(&DEV);
        ended.failed(2, &["\n  AWS_REGION: is required: neither the environment nor the profile of AWS"]);
        assert!(!ended.stderr.contains("canary-word"), "{ended:?}");
        let checked = place.done(&CHECK);
        assert!(checked.stderr.contains(WARNING), "{checked:?}");
        let json = place.done(&[&CHECK[..], &["--json"]].concat()).json();
        assert_eq!((json["ok"].as_bool(), json["warnings"][0]["name"].as_str()), (Some(true), Some("AWS_REGION")));
    }
}

#[test]
fn a_metadata_service_that_hangs_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let place = place().with("SECRETS_BACKEND", "aws-secretsmanager");
    let place = place.with("AWS_EC2_METADATA_DISABLED", "false").with("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url);
    let start = Instant::now();
    place.run(&DEV).failed(2, &["\n  AWS_REGION: is required"]);
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
}

#[test]
fn a_region_is_found_where_the_sdk_looks() {
    // Of new secrets nothing is kept in AWS, which is not there.
    let endpoint = || place().with("AWS_ENDPOINT_URL", "http://127.0.0.1:9").with("SECRETS_BACKEND", "digest");
    let profile = endpoint();
    let path = profile.write("profile", "[default]\nregion = eu-central-1\n");
    let in_file = endpoint();
    in_file.write("agentidp.toml", "aws_region = 'eu-central-1'\n");
    for place in [
        profile.with("AWS_CONFIG_FILE", &path),
        in_file,
        endpoint().with("AWS_REGION", "eu-central-1"),
        endpoint().with("AWS_DEFAULT_REGION", "eu-central-1"),
    ] {
        let checked = place.done(&CHECK);
        assert!(!checked.stderr.contains("AWS_REGION"), "{checked:?}");
        let mut running = place.start(&DEV);
        running.line();
        assert_eq!(running.terminate().code, 0);
    }
}
