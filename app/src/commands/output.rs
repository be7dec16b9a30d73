//! What commands print.

use super::CommandError;
use crate::telemetry::causes;
use serde_json::Value;
use std::io::Write;

/// Prints a line of data. A reader that has gone away is no failure.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints one JSON value on one line.
pub fn json(value: &Value) {
    line(&value.to_string());
}

/// Prints a message for the person at the terminal.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints why the command failed, with all causes.
pub fn complain(error: &CommandError) {
    note(&format!("agentidp: {}", causes(error)));
}
