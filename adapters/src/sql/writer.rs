//! The one writer of token events and of single audit events: a batch is a transaction, and who waits is answered when
//! that is durable.

use super::batches::{Batches, Job};
use super::error::{BatchError, batch_within};
use super::{audit, dialect, tokens};
use agentidp_core::domain::audit::AuditEvent;
use agentidp_core::ports::storage::{Issue, StoreError};
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr};
use std::collections::BTreeMap;
use std::time::Duration;

/// The queue of the writer.
pub type Writer = Batches<Issue, ()>;

/// Starts the writer of `database`. A batch may take `deadline`.
pub fn start(database: DatabaseConnection, deadline: Duration) -> Writer {
    Batches::start(move |jobs| write(database.clone(), deadline, jobs))
}

/// An event that is no issue of a token: it counts for no quota and moves no last use.
pub fn alone(event: &AuditEvent) -> Issue {
    Issue { event: event.clone(), used: None, monthly_quota: None }
}

/// Writes a batch. A record that the database refuses, such as an event that is there already, must not fail its
/// neighbours: then each is written by itself.
async fn write(database: DatabaseConnection, deadline: Duration, jobs: Vec<Job<Issue, ()>>) {
    let issues: Vec<&Issue> = jobs.iter().map(|job| &job.item).collect();
    match batch_within(deadline, commit(&database, &issues)).await {
        Ok(recorded) => {
            for (job, recorded) in jobs.into_iter().zip(recorded) {
                job.answer(if recorded { Ok(()) } else { Err(StoreError::LimitReached) });
            }
        }
        Err(BatchError::Database(error)) if jobs.len() > 1 && dialect::may_be_of_one_row(&error) => {
            for job in jobs.into_iter().filter(Job::is_wanted) {
                Box::pin(write(database.clone(), deadline, vec![job])).await;
            }
        }
        Err(error) => jobs.into_iter().for_each(|job| job.answer(Err(error.clone().into()))),
    }
}

/// Writes all issues but those beyond their quota; says of each whether it is recorded. Most batches are one statement,
/// which is a transaction of its own.
async fn commit(database: &DatabaseConnection, issues: &[&Issue]) -> Result<Vec<bool>, DbErr> {
    if issues.iter().all(|issue| issue.used.is_none() && issue.monthly_quota.is_none()) {
        audit::insert_all(database, issues.iter().map(|issue| &issue.event)).await?;
        return Ok(vec![true; issues.len()]);
    }
    let tx = dialect::begin(database).await?;
    let recorded = count(&tx, issues).await?;
    let kept: Vec<&Issue> =
        issues.iter().zip(&recorded).filter(|(_, recorded)| **recorded).map(|(issue, _)| *issue).collect();
    if !kept.is_empty() {
        move_last_uses(&tx, &kept).await?;
        audit::insert_all(&tx, kept.iter().map(|issue| &issue.event)).await?;
    }
    tx.commit().await?;
    Ok(recorded)
}

/// Whether each issue is within its quota. Rows are locked in one order by everyone, or two servers would wait for each
/// other.
async fn count(tx: &DatabaseTransaction, issues: &[&Issue]) -> Result<Vec<bool>, DbErr> {
    let mut within = vec![true; issues.len()];
    let counted = |issue: &Issue| Some((issue.event.agent_id?, issue.event.timestamp, issue.monthly_quota?));
    let slots = issues.iter().zip(&mut within);
    let mut counts: Vec<_> = slots.filter_map(|(issue, within)| Some((counted(issue)?, within))).collect();
    counts.sort_by_key(|((agent, at, _), _)| (agent.uuid(), at.month()));
    for ((agent, at, quota), within) in counts {
        *within = tokens::count_issue(tx, agent, at, quota).await?;
    }
    Ok(within)
}

/// Moves the last use of each credential once, to its latest; in one order, like all that locks several.
async fn move_last_uses(tx: &DatabaseTransaction, issues: &[&Issue]) -> Result<(), DbErr> {
    let mut uses = BTreeMap::new();
    for issue in issues {
        if let Some(credential) = issue.used {
            let (_, latest) = uses.entry(credential.uuid()).or_insert((credential, issue.event.timestamp));
            *latest = issue.event.timestamp.max(*latest);
        }
    }
    for (credential, at) in uses.into_values() {
        tokens::move_last_use(tx, credential, at).await?;
    }
    Ok(())
}
