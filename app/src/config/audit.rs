//! The audit log.

use super::reader::Reader;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// How long events are kept; `None` is for ever.
    pub retention: Option<Duration>,
}

impl Audit {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self { retention: reader.days("AUDIT_RETENTION_DAYS", 90) }
    }
}
