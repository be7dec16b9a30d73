//! Logs: one JSON object a line for machines, short lines for people; always on stderr. Metrics: see [`metrics`].

mod functions;
mod json_lines;
pub mod metrics;
mod process;
pub mod seldom;

use crate::config::{Log, LogFormat};
use json_lines::JsonLines;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// What drivers and clients log of their own is not for operators.
const QUIET: &str = "sqlx=warn,sea_orm=warn,sea_orm_migration=warn,hyper=warn,h2=warn,poem=warn,rustify=off,vaultrs=off,\
     aws_sdk_secretsmanager=off,aws_smithy_runtime=off,aws_smithy_http_client=off,aws_sigv4=off,aws_runtime=off,\
     aws_config=warn,hyper_util=warn,rustls=warn";

/// Starts logging, once; a second call changes nothing.
pub fn start(log: &Log) {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", log.filter)).unwrap_or_else(|_| EnvFilter::new("info"));
    let json = match log.format {
        Some(format) => format == LogFormat::Json,
        None => !std::io::stderr().is_terminal(),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = if json { builder.event_format(JsonLines).try_init() } else { builder.compact().try_init() };
    std::panic::set_hook(Box::new(|info| {
        // The payload may hold anything; the place is enough to find it.
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a thread panicked");
    }));
}

/// An error with all of its causes, outermost first; one that repeats what stands before it is left out.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text
}
