//! The client of the AWS SDK, with deadlines.

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::Client;
use std::time::Duration;

const CONNECT: Duration = Duration::from_millis(500);
const ATTEMPT: Duration = Duration::from_secs(1);
/// Of a call with its retries.
const OPERATION: Duration = Duration::from_secs(3);
/// With a pause of the SDK's own between them, jittered: throttling ends there.
const ATTEMPTS: u32 = 3;

/// Where AWS Secrets Manager is; what is not given, the SDK finds in its own chain, as it does the credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    pub region: Option<String>,
    /// Another address than that of AWS.
    pub endpoint_url: Option<String>,
}

/// Makes a client. Nothing is asked yet.
pub async fn connect(settings: &Settings) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &settings.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    Client::new(&loader.load().await)
}
