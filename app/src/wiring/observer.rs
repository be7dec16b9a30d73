//! What the adapters observe becomes metrics.

use crate::telemetry::metrics::Metrics;
use agentidp_adapters::metered::{Ending, Observer};
use agentidp_adapters::redis;
use agentidp_adapters::sql::BatchObserver;
use std::sync::Arc;
use std::time::Duration;

/// Counts in the metrics of the process.
pub struct Counting(pub Arc<Metrics>);

impl Observer for Counting {
    fn asked(&self, operation: &'static str, took: Duration, ending: Ending) {
        self.0.query(operation, took);
        if ending == Ending::Failed {
            self.0.query_failed(operation);
            if operation == "audit_append" {
                self.0.audit_failed();
            }
        }
    }

    fn decided(&self, decision: &'static str) {
        self.0.decided(decision);
    }
}

impl BatchObserver for Counting {
    fn batch(&self, records: usize, took: Duration, waiting: usize) {
        self.0.audit_batch(records, took, waiting);
    }
}

impl redis::Observer for Counting {
    fn ran(&self, command: &'static str, took: Duration, answered: bool) {
        self.0.command(command, took, answered);
    }
}
