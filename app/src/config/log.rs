//! What is logged, and how.

use super::reader::Reader;
use tracing_subscriber::EnvFilter;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One object a line.
    Json,
    /// For people.
    Pretty,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// `None`: pretty on a terminal, else JSON.
    pub format: Option<LogFormat>,
    /// Directives of [`EnvFilter`], proved to parse.
    pub filter: String,
}

impl Log {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let format = reader.parse("LOG_FORMAT", |text| match text {
            "json" => Ok(LogFormat::Json),
            "pretty" => Ok(LogFormat::Pretty),
            _ => Err(format!("`{text}` is neither `json` nor `pretty`")),
        });
        let filter = reader.parse("RUST_LOG", |text| match EnvFilter::builder().parse(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(format!("`{text}` is no filter: {error}")),
        });
        Self { format, filter: filter.unwrap_or_else(|| "info".to_owned()) }
    }
}
