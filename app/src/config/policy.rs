//! The policy that decides every request.

use super::reader::Reader;
use std::path::PathBuf;

/// Which implementation decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyEngineKind {
    Rego,
    /// The shipped rules in plain Rust.
    Table,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The folder of the policy; `None`: the copy in the binary.
    pub folder: Option<PathBuf>,
    pub engine: PolicyEngineKind,
    /// The program that tries a policy of `folder`: this one, also when its file was replaced meanwhile.
    pub tried_by: PathBuf,
}

impl Policy {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let folder = reader.parse("POLICY_DIR", |text| match PathBuf::from(text) {
            folder if folder.is_dir() => Ok(folder),
            _ => Err(format!("`{text}` is not a folder that can be read")),
        });
        let engine = reader.parse("POLICY_ENGINE", |text| match text {
            "rego" => Ok(PolicyEngineKind::Rego),
            "table" => Ok(PolicyEngineKind::Table),
            _ => Err(format!("`{text}` is neither `rego` nor `table`")),
        });
        Self { folder, engine: engine.unwrap_or(PolicyEngineKind::Rego), tried_by: this_program() }
    }
}

fn this_program() -> PathBuf {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { running } else { std::env::current_exe().unwrap_or(running) }
}
