//! The audit log.

use super::reader::Reader;
use std::time::Duration;

/// A century: longer is meant to be for ever, which is 0.
const MAX_DAYS: u32 = 36_500;
const SECONDS_OF_A_DAY: u64 = 86_400;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// How long events are kept; `None` is for ever.
    pub retention: Option<Duration>,
}

impl Audit {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let days = reader.number("AUDIT_RETENTION_DAYS", 90, 0, MAX_DAYS);
        let retention = Duration::from_secs(u64::from(days).saturating_mul(SECONDS_OF_A_DAY));
        Self { retention: Some(retention).filter(|retention| !retention.is_zero()) }
    }
}
