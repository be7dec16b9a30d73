//! `agentidp migrate`: the schema, brought up to date by the role that owns the tables.

use super::{CommandError, output, tool_config};
use crate::config::Source;
use crate::wiring::{self, StartError};
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub struct Migrate {
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

impl Migrate {
    pub async fn run(self, source: &Source) -> Result<(), CommandError> {
        let config = tool_config(source)?;
        let store = wiring::open_store(&config.database.migration_url).await?;
        let pending = store.pending_migrations().await.map_err(StartError::from)?;
        if !pending.is_empty() {
            output::note(&format!("applying {} migrations", pending.len()));
        }
        // Another process may have applied them meanwhile.
        let applied = store.migrate().await.map_err(StartError::from)?;
        if self.json {
            output::json(&json!({ "applied": applied }))
        } else if applied.is_empty() {
            output::line("the schema is up to date")
        } else {
            applied.iter().try_for_each(|name| output::line(&format!("applied {name}")))
        }
    }
}
