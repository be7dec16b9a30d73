//! `agentidp openapi`: the document of the API, needing neither configuration nor database.

use super::{CommandError, output};
use crate::http::openapi;
use clap::Args;

#[derive(Debug, Args)]
pub struct Openapi {
    /// Print JSON instead of YAML
    #[arg(long)]
    json: bool,
}

impl Openapi {
    pub fn run(self) -> Result<(), CommandError> {
        let document = openapi::document().map_err(CommandError::Failed)?;
        let text = if self.json {
            serde_json::to_string_pretty(&document).map_err(CommandError::failed)?
        } else {
            serde_yaml_ng::to_string(&document).map_err(CommandError::failed)?
        };
        output::line(text.trim_end())
    }
}
