//! From what the database says to the words of the port.

use super::dialect;
use agentidp_core::ports::storage::StoreError;
use sea_orm::DbErr;
use std::time::Duration;

/// Why a unit of work ended early: the database failed, or the port's answer is known already.
#[derive(Debug)]
pub enum Failure {
    Database(DbErr),
    Known(StoreError),
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
