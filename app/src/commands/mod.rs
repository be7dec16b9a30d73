//! The command line: one file per command. Data goes to stdout, everything else to stderr.

mod audit;
mod bootstrap;
mod completion;
mod config;
mod credentials;
mod dev;
mod healthcheck;
mod input;
mod keys;
mod migrate;
mod openapi;
mod output;
mod policy;
mod serve;

use crate::config::{Config, ConfigError, Profile, Source};
use crate::wiring::StartError;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// What every command ends with; `docs/CLI.md` says more.
const EXIT_STATUS: &str = "Exit status: 0 done, 1 failed, 2 wrong usage, configuration or policy.

Start here: agentidp dev";

/// AgentIdP, the identity provider for AI agents.
///
/// Configuration comes from the environment first, then from agentidp.toml; docs/CONFIG.md lists it. No secret is ever
/// an argument. Data goes to stdout, everything else to stderr.
#[derive(Debug, Parser)]
#[command(name = "agentidp", version, propagate_version = true, after_help = EXIT_STATUS)]
pub struct Cli {
    /// The configuration file (default: agentidp.toml in the working directory, if it is there)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything embedded, for development: SQLite, no other service, a ready administrator
    ///
    /// The first start makes the data folder, a master key and an administrator, whose secret is printed once, with the
    /// command that gets a token. It runs until Ctrl-C or SIGTERM; the next start goes on with the same data.
    #[command(after_help = "Examples:\n  agentidp dev\n  agentidp dev --data-dir /tmp/try --port 0 --json")]
    Dev(dev::Dev),
    /// Run a server
    ///
    /// It needs ISSUER and MASTER_KEY, and a database whose schema is current: run `agentidp migrate` before, and
    /// `agentidp bootstrap` once. SIGTERM ends it when the running requests are done, in at most 25 seconds; SIGHUP
    /// reads POLICY_DIR, which is also looked at every second, and the TLS certificate anew.
    #[command(
        after_help = "Example:\n  ISSUER=https://id.example.com MASTER_KEY_FILE=/run/secrets/master-key agentidp serve"
    )]
    Serve(serve::Serve),
    /// Bring the database schema up to date
    ///
    /// Doing it again changes nothing. On PostgreSQL it runs as the owner of the tables, which MIGRATION_DATABASE_URL
    /// names.
    #[command(after_help = "Example:\n  agentidp migrate")]
    Migrate(migrate::Migrate),
    /// Make the first administrator
    ///
    /// Its credential is printed once and kept nowhere. When there is an administrator already, nothing is done, unless
    /// --recover says that all are lost. It needs DATABASE_URL and MASTER_KEY, and is on record in the audit log.
    #[command(after_help = "Example:\n  agentidp bootstrap --json")]
    Bootstrap(bootstrap::Bootstrap),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print the OpenAPI document
    ///
    /// As YAML, or as JSON with --json. It needs no configuration and no server.
    #[command(after_help = "Example:\n  agentidp openapi --json")]
    Openapi(openapi::Openapi),
    /// Look at the policy
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// List, replace and revoke the signing keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Take over and count credentials
    #[command(subcommand)]
    Credentials(credentials::CredentialsCommand),
    /// Take the audit log elsewhere
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Ask a running server whether it can serve
    ///
    /// Exit status 0 says that it can; it prints nothing then. For health checks of containers: no curl is needed.
    #[command(after_help = "Example:\n  agentidp healthcheck --url http://127.0.0.1:8080")]
    Healthcheck(healthcheck::Healthcheck),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  agentidp completion bash > /etc/bash_completion.d/agentidp")]
    Completion(completion::Completion),
}

/// Why a command fails, and how it exits.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The input is not what the command takes.
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Whoever read the output has gone, and wants no more: no failure.
    #[error("nobody reads the output any more")]
    Closed,
}

impl CommandError {
    fn failed(error: impl std::error::Error + 'static) -> Self {
        Self::Failed(crate::telemetry::causes(&error))
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Usage(_) => 2,
            Self::Start(StartError::Config(_) | StartError::Policy(_) | StartError::Table(_)) => 2,
            Self::Start(StartError::TableIgnoresRego | StartError::Vault(_)) => 2,
            Self::Start(
                StartError::MasterKey(_) | StartError::WrongMasterKey(_) | StartError::MasterKeyFile { .. },
            ) => 2,
            _ => 1,
        }
    }
}

/// Runs the command of the arguments.
pub async fn run(cli: Cli) -> ExitCode {
    let source = Source::of_process(cli.config.as_deref());
    let result = match cli.command {
        Command::Dev(command) => command.run(&source).await,
        Command::Serve(command) => command.run(&source).await,
        Command::Migrate(command) => command.run(&source).await,
        Command::Bootstrap(command) => command.run(&source).await,
        Command::Config(command) => command.run(&source).await,
        Command::Openapi(command) => command.run(),
        Command::Policy(command) => command.run(&source).await,
        Command::Keys(command) => command.run(&source).await,
        Command::Credentials(command) => command.run(&source).await,
        Command::Audit(command) => command.run(&source).await,
        Command::Healthcheck(command) => command.run(&source).await,
        Command::Completion(command) => command.run(),
    };
    match result {
        Ok(()) | Err(CommandError::Closed) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// The configuration of a command that serves nothing.
fn tool_config(source: &Source) -> Result<Config, CommandError> {
    let config = Config::load(&Profile::Tool, source)?;
    crate::telemetry::start(&config.log);
    Ok(config)
}
