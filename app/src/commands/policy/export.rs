//! `agentidp policy export`: the policy in this program, to be changed.

use crate::commands::{CommandError, output};
use crate::wiring::builtin_policy_files;
use clap::Args;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

pub const EXAMPLE: &str = "Example:
  agentidp policy export ./policy && agentidp policy test ./policy
  POLICY_DIR=./policy agentidp serve";

#[derive(Debug, Args)]
pub struct Export {
    /// The folder to write to; it is made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Export {
    pub fn run(self) -> Result<(), CommandError> {
        for (name, text) in builtin_policy_files() {
            let path = self.folder.join(name);
            write_new(&path, text)?;
            output::line(&path.display().to_string())?;
        }
        Ok(())
    }
}

/// Never overwrites: what is there may be somebody's work.
fn write_new(path: &Path, text: &str) -> Result<(), CommandError> {
    let failed =
        |error: std::io::Error| CommandError::Failed(format!("`{}` cannot be written: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = std::fs::File::create_new(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            CommandError::Failed(format!("`{}` is there already and was left; name another folder", path.display()))
        }
        _ => failed(error),
    })?;
    file.write_all(text.as_bytes()).map_err(failed)
}
