//! `agentidp config check`: every mistake at once, before anything starts.

use super::{CommandError, output};
use crate::config::{Config, Profile, Source};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read the configuration and report every mistake
    ///
    /// Nothing is opened and nothing starts. With a mistake the exit status is 2.
    #[command(after_help = "Example:\n  agentidp config check --profile serve --json")]
    Check(Check),
}

#[derive(Debug, Args)]
pub struct Check {
    /// The command that the configuration is for
    #[arg(long, value_enum, default_value = "serve")]
    profile: ProfileName,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProfileName {
    Dev,
    Serve,
}

impl ConfigCommand {
    pub fn run(self, source: &Source) -> Result<(), CommandError> {
        let Self::Check(check) = self;
        let profile = match check.profile {
            ProfileName::Dev => Profile::Dev { data_dir: None, port: None },
            ProfileName::Serve => Profile::Serve,
        };
        let result = Config::load(&profile, source);
        if check.json {
            let mistakes = result.as_ref().err().map(|error| error.mistakes.clone()).unwrap_or_default();
            let mistakes: Vec<_> =
                mistakes.iter().map(|mistake| json!({"name": mistake.name, "problem": mistake.problem})).collect();
            output::json(&json!({ "ok": result.is_ok(), "mistakes": mistakes }))?;
        }
        result?;
        if check.json { Ok(()) } else { output::line("the configuration is good") }
    }
}
