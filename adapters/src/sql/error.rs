//! From what the database says to the words of the port.

use super::dialect;
use agentidp_core::ports::storage::StoreError;
use sea_orm::DbErr;
use std::future::Future;
use std::time::Duration;

/// Why a unit of work ended early: the database failed, or the port's answer is known already.
#[derive(Debug)]
pub enum Failure {
    Database(DbErr),
    Known(StoreError),
}

/// Why nothing of a batch was done; everyone who waits is told.
#[derive(Debug, Clone)]
pub enum BatchError {
    Database(DbErr),
    Overdue(Duration),
}

impl From<BatchError> for StoreError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Database(error) => Failure::Database(error).into(),
            BatchError::Overdue(deadline) => Self::Unavailable(Box::new(Overdue(deadline))),
        }
    }
}

/// Runs the work of a batch until its deadline. What is dropped by it is rolled back.
pub async fn batch_within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, BatchError> {
    match tokio::time::timeout(deadline, work).await {
        Ok(result) => result.map_err(BatchError::Database),
        Err(_) => Err(BatchError::Overdue(deadline)),
    }
}

/// The database gave no answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer from the database within {0:?}")]
pub struct Overdue(pub Duration);

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Known(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Known(error) => error,
            Failure::Database(error) if dialect::is_conflict(&error) => Self::Conflict,
            Failure::Database(error) => Self::Unavailable(Box::new(error)),
        }
    }
}
