//! A policy that somebody wrote is tried in a process of its own before it is taken: neither the parser nor the interpreter
//! that runs its tests has a bound on memory or stack, and either would take the server with it.

use agentidp_adapters::rego::{LoadError, PolicySource, Proved};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// The command of this program that does it: it takes a policy on stdin, and prints why it is bad.
pub const COMMAND: [&str; 2] = ["policy", "trial"];
/// How long it may take.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Proves a policy. `program` is this one, or one like it.
///
/// # Errors
/// The policy is bad, or could not be tried.
pub(super) async fn prove(source: PolicySource, program: &Path) -> Result<Proved, LoadError> {
    let ended = timeout(TIME_LIMIT, run(program, source.to_json())).await;
    let late = || LoadError::Trial(format!("it and its tests take longer than {} s", TIME_LIMIT.as_secs()));
    let ended = ended.map_err(|_| late())?;
    let output = ended.map_err(|error| LoadError::Trial(format!("it cannot be tried: {error}")))?;
    match output.status.code() {
        // What did no harm there does none here.
        Some(0) => apart(move || Proved::new(source)).await,
        Some(1) => Err(LoadError::Trial(String::from_utf8_lossy(&output.stdout).trim().to_owned())),
        _ => Err(LoadError::Trial(format!(
            "it or its tests ended the process that tried them ({}): too much memory, too deep, or without an end",
            output.status
        ))),
    }
}

/// The process dies with whoever waits for it.
async fn run(program: &Path, policy: String) -> std::io::Result<Output> {
    let mut command = Command::new(program);
    command.args(COMMAND).env_clear().current_dir("/").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that has died already does not read; its status says so.
        let _ = stdin.write_all(policy.as_bytes()).await;
    }
    child.wait_with_output().await
}

/// What that process does.
///
/// # Errors
/// The policy is bad.
pub fn try_policy(policy: &str) -> Result<(), LoadError> {
    Proved::new(PolicySource::from_json(policy)?)?.interpret()
}

/// Does `work` where it holds up no request.
pub(super) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(LoadError::Trial(format!("it was not tried to the end: {error}"))))
}
