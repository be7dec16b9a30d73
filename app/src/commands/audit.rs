//! `agentidp audit export`: the audit log as JSON Lines, for keeping it elsewhere.

use super::{CommandError, output, tool_config};
use crate::config::Source;
use crate::http::dto::audit::AuditEvent;
use crate::wiring::{self, StartError};
use agentidp_core::domain::audit::AuditFilter;
use agentidp_core::domain::page::PageRequest;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::policy::Owners;
use agentidp_core::ports::storage::AuditLog;
use clap::{Args, Subcommand};
use poem_openapi::types::ToJSON;

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Print events as JSON Lines, newest first
    ///
    /// Each line is an event as the API shows it. What the retention has removed is gone.
    #[command(after_help = "Example:\n  agentidp audit export --from 2026-01-01T00:00:00Z > events.jsonl")]
    Export(Export),
}

#[derive(Debug, Args)]
pub struct Export {
    /// The first moment that counts (RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// The first moment that counts no more (RFC 3339)
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
}

impl AuditCommand {
    pub async fn run(self, source: &Source) -> Result<(), CommandError> {
        let Self::Export(export) = self;
        let config = tool_config(source)?;
        let store = wiring::open_current_store(&config.database.url).await?;
        export.print(store.as_ref()).await
    }
}

impl Export {
    async fn print(self, log: &dyn AuditLog) -> Result<(), CommandError> {
        let filter = AuditFilter { from: self.from, to: self.to, ..AuditFilter::default() };
        let mut after = None;
        loop {
            let request = PageRequest::new(100, after).map_err(|error| CommandError::Failed(error.0))?;
            let page = log.query(&Owners::All, &filter, None, request).await.map_err(StartError::from)?;
            page.items.iter().try_for_each(|event| output::line(&AuditEvent::from(event).to_json_string()))?;
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}
