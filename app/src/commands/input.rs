//! What commands read.

use super::CommandError;
use crate::http::error::Failure;
use std::io::Read;
use std::path::Path;

/// The text of a file; `-` is stdin. A file of more than `limit` bytes is refused.
///
/// # Errors
/// It cannot be read, or is no UTF-8, or is too large.
pub fn text(file: &Path, limit: u64) -> Result<String, CommandError> {
    let unreadable = |problem: &dyn std::fmt::Display| {
        CommandError::Failed(format!("`{}` cannot be read: {problem}", file.display()))
    };
    let reader: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).map_err(|error| unreadable(&error))?)
    };
    let mut text = String::new();
    let read = reader.take(limit.saturating_add(1)).read_to_string(&mut text).map_err(|error| unreadable(&error))?;
    if u64::try_from(read).is_ok_and(|read| read <= limit) {
        Ok(text)
    } else {
        Err(unreadable(&format!("it has more than {limit} bytes")))
    }
}

/// Every mistake in the fields of an object, in one sentence.
pub fn mistakes(failure: &Failure) -> String {
    let mistakes = failure.fields.iter().map(|error| format!("`{}` {}", error.field, error.message));
    mistakes.collect::<Vec<_>>().join(", ")
}
