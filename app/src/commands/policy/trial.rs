//! `agentidp policy trial`: what a server starts to try a policy, where nothing but this process can come to harm.

use crate::commands::{CommandError, input, output};
use crate::telemetry::causes;
use crate::wiring;
use rlimit::Resource;
use std::path::Path;

/// Most bytes of a policy with its tests.
const MAX_INPUT_BYTES: u64 = 16 * 1024 * 1024;
/// Address space of this process. Its allocator reserves one half of it before it needs any.
const MAX_ADDRESSES: u64 = 2 * 1024 * 1024 * 1024;

/// Bytes of the stack that it is tried on.
const STACK: usize = 1024 * 1024;

/// Tries the policy on stdin; what is wrong with it goes to stdout.
///
/// # Errors
/// It is bad; the message says why.
pub fn run() -> Result<(), CommandError> {
    confine();
    let policy = input::text(Path::new("-"), MAX_INPUT_BYTES)?;
    // A server goes on with the policy on threads of twice that stack.
    let tried = std::thread::Builder::new().stack_size(STACK).spawn(move || wiring::try_policy(&policy))?.join();
    let problem = match tried {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => causes(&error),
        Err(_) => "regorus panicked over it".to_owned(),
    };
    output::line(&problem)?;
    Err(CommandError::Failed(problem))
}

/// Where memory is short, this process goes and not its server. A system that knows neither limit tries without.
fn confine() {
    let _ = Resource::AS.set(MAX_ADDRESSES, MAX_ADDRESSES);
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}
