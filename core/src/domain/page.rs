//! Pages of lists: newest first, by a keyset cursor, so that inserts do not move what was already seen.

use super::text::Invalid;
use super::time::Timestamp;
use uuid::Uuid;

/// The place behind a row: what comes next is older, or as old with a smaller id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub at: Timestamp,
    pub id: Uuid,
}

/// Which page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    limit: u32,
    pub after: Option<Cursor>,
}

impl PageRequest {
    /// Rows of a page if nothing is said.
    pub const DEFAULT_LIMIT: u32 = 20;
    /// The first page if nothing is said.
    pub const FIRST: Self = Self { limit: Self::DEFAULT_LIMIT, after: None };

    /// Asks for at most `limit` rows, 1 to 100.
    ///
    /// # Errors
    /// Another limit.
    pub fn new(limit: u32, after: Option<Cursor>) -> Result<Self, Invalid> {
        if (1..=100).contains(&limit) { Ok(Self { limit, after }) } else { Err(Invalid::new("must be 1 to 100")) }
    }

    /// Most rows of the page.
    pub const fn limit(self) -> u32 {
        self.limit
    }
}

/// A page and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page of rows that were fetched with one more than the limit, to see whether any follow.
    pub fn from_overfetch(mut rows: Vec<T>, request: PageRequest, cursor: impl Fn(&T) -> Cursor) -> Self {
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(cursor) } else { None };
        Self { items: rows, next }
    }
}
