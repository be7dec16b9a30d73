//! Rows to domain values and back. A row that holds what it cannot hold is an error that names the place.

pub mod agent;
pub mod audit;
pub mod credential;
pub mod json;

use agentidp_core::ports::storage::StoreError;
use std::fmt::Display;
use std::str::FromStr;

/// The row that is being read, for errors.
pub struct Row {
    table: &'static str,
    id: String,
}

impl Row {
    /// The row `id` of `table`.
    pub fn of(table: &'static str, id: impl Display) -> Self {
        Self { table, id: id.to_string() }
    }

    /// The error that `column` holds what it cannot hold.
    pub fn bad(&self, column: &'static str) -> StoreError {
        StoreError::Inconsistent { table: self.table, column, id: self.id.clone() }
    }

    /// The value that `text` in `column` stands for.
    pub fn parse<T: FromStr>(&self, column: &'static str, text: &str) -> Result<T, StoreError> {
        text.parse().map_err(|_| self.bad(column))
    }

    /// As [`Row::parse`], of a column that may be NULL.
    pub fn parse_optional<T: FromStr>(
        &self,
        column: &'static str,
        text: Option<&str>,
    ) -> Result<Option<T>, StoreError> {
        text.map(|text| self.parse(column, text)).transpose()
    }
}
