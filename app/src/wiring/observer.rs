//! What the adapters observe becomes metrics, and lines of the log.

use crate::telemetry::causes;
use crate::telemetry::metrics::Metrics;
use agentidp_adapters::metered::{Ending, Observer};
use agentidp_adapters::redis;
use agentidp_adapters::sql::BatchObserver;
use agentidp_core::ports::custody::{CustodyError, CustodyObserver, Task, TaskKind};
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

/// Logs what is done outside after the fact, and counts it where there is a metrics endpoint.
pub struct Tasks(pub Option<Arc<Metrics>>);

impl CustodyObserver for Tasks {
    fn done(&self, task: &Task) {
        if let Some(metrics) = &self.0 {
            match task.kind {
                TaskKind::Undo => metrics.secret_write_abandoned(),
                TaskKind::Destroy => metrics.secrets_destroyed(),
            }
        }
        let (agent, credential, attempts) = fields(task);
        match task.kind {
            TaskKind::Undo => tracing::info!(agent, credential, attempts, "a secret that no row names was taken back"),
            TaskKind::Destroy => {
                tracing::info!(agent, credential, attempts, "the secrets of a revoked credential are destroyed")
            }
        }
    }

    fn postponed(&self, task: &Task, error: &CustodyError) {
        let (agent, credential, attempts) = fields(task);
        let cause = causes(error);
        match task.kind {
            TaskKind::Undo => {
                tracing::warn!(
                    agent,
                    credential,
                    attempts,
                    cause,
                    "a secret that no row names cannot be taken back yet"
                );
            }
            TaskKind::Destroy => {
                tracing::warn!(
                    agent,
                    credential,
                    attempts,
                    cause,
                    "secrets of a revoked credential cannot be destroyed yet"
                );
            }
        }
    }
}

fn fields(task: &Task) -> (String, Option<String>, u32) {
    (task.agent_id.to_string(), task.credential_id.map(|id| id.to_string()), task.attempts)
}
impl redis::Observer for Counting {
    fn ran(&self, command: &'static str, took: Duration, answered: bool) {
        self.0.command(command, took, answered);
    }
}
