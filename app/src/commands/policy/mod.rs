//! `agentidp policy check|test|explain|replay|export|schema`: a policy and its decisions, without a server.

mod decision;
mod explain;
mod export;
mod input;
mod replay;
mod schema;
mod test;
mod trial;

use super::{CommandError, output};
use crate::config::Source;
use crate::wiring;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Parse, compile and try a policy, as a server does before it takes it
    #[command(after_help = "Example:\n  agentidp policy check ./policies")]
    Check(Check),
    /// Run the tests of a policy
    ///
    /// The tests are the rules named `test_…` in the files `…_test.rego` beside authz.rego. One that fails is named,
    /// and the exit status is then 1; for a policy that is broken it is 2.
    #[command(after_help = "Example:\n  agentidp policy test ./policies")]
    Test(test::Test),
    /// Tell how a request is decided, and what would have changed a refusal
    ///
    /// The policy is asked again with one scope more, another owner and so on; whatever turns the refusal into an
    /// allowance is told. A refusal is an answer: the exit status is 0.
    #[command(after_help = explain::EXAMPLE)]
    Explain(explain::Explain),
    /// Make the decisions of the past again by another policy, and print what would have come out otherwise
    ///
    /// The audit log has the input of every change, every refusal by the policy and every token issued; of what is only
    /// read it has none. Each is decided by the policy that was in force and by that of --policy. Nothing is changed or recorded. A
    /// difference is an answer: the exit status is 0.
    #[command(after_help = replay::EXAMPLE)]
    Replay(replay::Replay),
    /// Write the policy in this program to a folder, to be changed there
    ///
    /// Nothing is overwritten. POLICY_DIR names the folder to a server.
    #[command(after_help = export::EXAMPLE)]
    Export(export::Export),
    /// Print the JSON Schema of what a policy is given to decide on
    #[command(after_help = "Example:\n  agentidp policy schema > input.json\n  \
                            opa check --strict --schema input.json policies/authz.rego")]
    Schema(schema::Schema),
    /// Try the policy on stdin, for the server that starts it
    #[command(hide = true)]
    Trial,
}

#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    policy: PolicyFolder,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Which policy a command is about.
#[derive(Debug, Args)]
pub struct PolicyFolder {
    /// The folder with authz.rego and data/scopes.json (default: the policy in this program)
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl PolicyCommand {
    pub async fn run(self, source: &Source) -> Result<(), CommandError> {
        match self {
            Self::Check(check) => check.run(),
            Self::Test(test) => test.run(),
            Self::Explain(explain) => explain.run(source).await,
            Self::Replay(replay) => replay.run(source).await,
            Self::Export(export) => export.run(),
            Self::Schema(schema) => schema.run(),
            Self::Trial => trial::run(),
        }
    }
}

impl Check {
    fn run(self) -> Result<(), CommandError> {
        let hash = wiring::prove_policy(self.policy.folder.as_deref())?;
        if self.json {
            output::json(&json!({ "ok": true, "hash": hash }))
        } else {
            output::line(&format!("the policy is good: {hash}"))
        }
    }
}
