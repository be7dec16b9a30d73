//! `agentidp keys list`: which keys sign tokens.

use super::{CommandError, output, tool_config};
use crate::config::Source;
use crate::wiring::{self, StartError};
use agentidp_core::ports::storage::KeyStore;
use clap::{Args, Subcommand};
use serde_json::json;

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List the signing keys, oldest first
    List(List),
}

#[derive(Debug, Args)]
pub struct List {
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl KeysCommand {
    pub async fn run(self, source: &Source) -> Result<(), CommandError> {
        let Self::List(list) = self;
        let config = tool_config(source)?;
        let store = wiring::open_current_store(&config.database.url).await?;
        for key in KeyStore::list(store.as_ref()).await.map_err(StartError::from)? {
            let revoked = key.revoked_at.map(|at| at.to_string());
            if list.json {
                output::json(&json!({
                    "kid": key.kid, "algorithm": key.algorithm.as_str(), "createdAt": key.created_at.to_string(),
                    "activeFrom": key.active_from.to_string(), "revokedAt": revoked,
                }));
            } else {
                let state =
                    revoked.map_or_else(|| format!("signs from {}", key.active_from), |at| format!("revoked {at}"));
                output::line(&format!("{}  {}  {state}", key.kid, key.algorithm));
            }
        }
        Ok(())
    }
}
