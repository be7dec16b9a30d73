//! `agentidp policy check`: proves a policy as a server would, without a server.

use super::{CommandError, output};
use crate::wiring;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Parse, compile and try a policy
    Check(Check),
}

#[derive(Debug, Args)]
pub struct Check {
    /// The folder with authz.rego and data/scopes.json (default: the policy in this program)
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl PolicyCommand {
    pub fn run(self) -> Result<(), CommandError> {
        let Self::Check(check) = self;
        let hash = wiring::prove_policy(check.folder.as_deref())?;
        if check.json {
            output::json(&json!({ "ok": true, "hash": hash }));
        } else {
            output::line(&format!("the policy is good: {hash}"));
        }
        Ok(())
    }
}
