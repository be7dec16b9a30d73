//! What commands print: data on stdout, everything else on stderr.

use super::CommandError;
use crate::telemetry::causes;
use serde_json::Value;
use std::io::{ErrorKind, Write};

/// Prints a line of data.
///
/// # Errors
/// [`CommandError::Closed`] if nobody reads it any more, else why it cannot be written.
pub fn line(text: &str) -> Result<(), CommandError> {
    writeln!(std::io::stdout().lock(), "{text}").map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => CommandError::Closed,
        _ => CommandError::Failed(format!("what was to be printed cannot be written: {error}")),
    })
}

/// Prints one JSON value on one line.
///
/// # Errors
/// As [`line`].
pub fn json(value: &Value) -> Result<(), CommandError> {
    line(&value.to_string())
}

/// Prints a message for the person at the terminal.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints why the command failed, with all causes.
pub fn complain(error: &CommandError) {
    note(&format!("agentidp: {}", causes(error)));
}
