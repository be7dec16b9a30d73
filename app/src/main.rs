//! The binary: parse the arguments, run a command.

use agentidp::commands::{Cli, run};
use agentidp::tls;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    tls::install_provider();
    let cli = Cli::parse();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(_) => ExitCode::FAILURE,
    }
}
