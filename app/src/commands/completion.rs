//! `agentidp completion`: a script for the shell.

use super::{Cli, CommandError};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    pub fn run(self) -> Result<(), CommandError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "agentidp", &mut script);
        super::output::line(String::from_utf8_lossy(&script).trim_end())
    }
}
