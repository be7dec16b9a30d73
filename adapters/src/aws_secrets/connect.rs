//! The client of the AWS SDK, with deadlines.

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
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
/// Most time in which the machine's metadata service says its region.
const REGION: Duration = Duration::from_secs(5);

/// Where AWS Secrets Manager is; what is not given, the SDK finds in its own chain, as it does the credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    pub region: Option<String>,
    /// Another address than that of AWS.
    pub endpoint_url: Option<String>,
}

/// No region is known, without which no request can be signed.
#[derive(Debug, thiserror::Error)]
#[error("neither the environment nor the profile of AWS nor the metadata service of this machine names a region")]
pub struct NoRegion;

/// Makes a client. AWS is not asked anything yet; where nothing else names the region, the machine's metadata service is.
///
/// # Errors
/// No region is known.
pub async fn connect(settings: &Settings) -> Result<Client, NoRegion> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build();
    let region = match settings.region.clone() {
        Some(region) => Region::new(region),
        None => found_region().await.ok_or(NoRegion)?,
    };
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .region(region);
    if let Some(url) = &settings.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    Ok(Client::new(&loader.load().await))
}

/// The region that the environment or the profile names. Nobody is asked.
pub async fn local_region() -> Option<String> {
    local().region().await.map(|region| region.to_string()).filter(|region| !region.is_empty())
}

fn local() -> RegionProviderChain {
    RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(ProfileFileRegionProvider::new())
}

/// The SDK's own chain, in time.
async fn found_region() -> Option<Region> {
    let chain = local().or_else(ImdsRegionProvider::builder().build());
    let found = tokio::time::timeout(REGION, chain.region()).await.ok().flatten();
    found.filter(|region| !region.as_ref().is_empty())
}
