//! `agentidp policy test`: the tests beside a policy.

use super::PolicyFolder;
use crate::commands::{CommandError, output};
use crate::wiring;
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub struct Test {
    #[command(flatten)]
    policy: PolicyFolder,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Test {
    pub fn run(self) -> Result<(), CommandError> {
        let folder = self.policy.folder.as_deref();
        let (hash, tests) = wiring::test_policy(folder)?;
        let failed: Vec<_> =
            tests.iter().filter_map(|test| Some((test.name.as_str(), test.problem.as_deref()?))).collect();
        if self.json {
            let told = failed.iter().map(|(name, problem)| json!({ "name": name, "problem": problem }));
            let told: Vec<_> = told.collect();
            let ok = failed.is_empty() && !tests.is_empty();
            output::json(&json!({ "ok": ok, "hash": hash, "tests": tests.len(), "failed": told }))?;
        } else {
            failed.iter().try_for_each(|(name, problem)| output::line(&format!("failed  {name}: {problem}")))?;
            output::line(&format!("{} of {} tests hold", tests.len().saturating_sub(failed.len()), tests.len()))?;
        }
        match (tests.len(), failed.len()) {
            (0, _) => {
                Err(CommandError::Failed("there is no test; they are rules `test_…` in files `…_test.rego`".into()))
            }
            (_, 0) => Ok(()),
            (_, failed) => Err(CommandError::Failed(format!("tests of the policy failed: {failed}"))),
        }
    }
}
