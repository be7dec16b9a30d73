//! The tokens that are issued, and the keys that sign them.

use super::reader::Reader;
use agentidp_core::domain::key::SigningAlgorithm;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    pub ttl: Duration,
    /// The algorithm of new signing keys.
    pub algorithm: SigningAlgorithm,
    /// How old the newest signing key may get before the servers make another; `None`: they never do.
    pub key_rotation: Option<Duration>,
}

impl Tokens {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let ttl_seconds = reader.number("TOKEN_TTL_SECONDS", 3600, 60, 86_400);
        let algorithm = reader.parse("SIGNING_ALG", |text| text.parse().map_err(|error| format!("`{text}` {error}")));
        Self {
            ttl: Duration::from_secs(ttl_seconds.into()),
            algorithm: algorithm.unwrap_or(SigningAlgorithm::Es256),
            key_rotation: reader.days("KEY_ROTATION_DAYS", 90),
        }
    }
}
