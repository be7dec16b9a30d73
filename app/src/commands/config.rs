//! `agentidp config check`: every mistake at once, before anything starts.

use super::{CommandError, output};
use crate::config::{Config, Mistake, Profile, Source};
use crate::{tls, wiring};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read the configuration and report every mistake
    ///
    /// The files that it names are read; nothing else is opened and nothing starts. With a mistake the exit status is 2.
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
    pub async fn run(self, source: &Source) -> Result<(), CommandError> {
        let Self::Check(check) = self;
        let profile = match check.profile {
            ProfileName::Dev => Profile::Dev { data_dir: None, port: None },
            ProfileName::Serve => Profile::Serve,
        };
        let result = Config::load(&profile, source);
        let tls = result.as_ref().ok().and_then(|config| config.server.tls.as_ref());
        // They were proved a moment ago: what has become bad since is the server's to tell.
        let mut warnings = tls.and_then(|files| tls::warnings(files).ok()).unwrap_or_default();
        if let Ok(config) = &result {
            warnings.extend(wiring::warnings(&config.secrets).await);
        }
        if check.json {
            let mistakes = result.as_ref().err().map(|error| error.mistakes.as_slice()).unwrap_or_default();
            let answer = json!({ "ok": result.is_ok(), "mistakes": told(mistakes), "warnings": told(&warnings) });
            output::json(&answer)?;
        } else {
            warnings.iter().for_each(|warning| output::note(&format!("warning: {warning}")));
        }
        result?;
        if check.json { Ok(()) } else { output::line("the configuration is good") }
    }
}

fn told(mistakes: &[Mistake]) -> Vec<Value> {
    mistakes.iter().map(|mistake| json!({"name": mistake.name, "problem": mistake.problem})).collect()
}
