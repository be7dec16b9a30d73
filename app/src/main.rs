//! The binary: parse the arguments, run a command.

use agentidp::commands::{Cli, run};
use agentidp::tls;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    tls::install_provider();
    let cli = Cli::parse();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(run(cli));
            // What still runs on a thread of its own, such as the reading of a file on a slow disk, is not waited for.
            runtime.shutdown_background();
            code
        }
        Err(_) => ExitCode::FAILURE,
    }
}
