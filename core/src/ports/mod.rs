//! The questions that the core asks of the outside. A method's doc comment is its contract; each MUST in it has a case
//! in the port's contract suite. Absence is `Ok(None)`; an error is a failure, in the words that callers act on.

pub mod biscuits;
pub mod cache;
pub mod clock;
pub mod custody;
pub mod limits;
pub mod notices;
pub mod policy;
pub mod secrets;
pub mod storage;
pub mod tokens;

/// The source of an error that an adapter met, kept for the log.
pub type Source = Box<dyn std::error::Error + Send + Sync>;
