//! The texts that make a policy, and where they come from.

use super::LoadError;
use super::suite::TestFile;
use aws_lc_rs::digest::{Context, SHA256};
use std::path::Path;

const REGO_FILE: &str = "authz.rego";
const DATA_FILE: &str = "data/scopes.json";

/// A policy and its data, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySource {
    /// The text of `authz.rego`.
    pub rego: String,
    /// The text of `data/scopes.json`.
    pub data: String,
    /// What the policy must hold before it is taken. No part of its hash: it decides nothing.
    pub tests: Vec<TestFile>,
    /// The folder named in messages.
    folder: String,
}

impl PolicySource {
    /// The files that the product is shipped with: where they lie in the folder of a policy, and their texts.
    pub const BUILTIN: [(&'static str, &'static str); 3] = [
        (REGO_FILE, include_str!("../../../policies/authz.rego")),
        (DATA_FILE, include_str!("../../../policies/data/scopes.json")),
        ("authz_test.rego", include_str!("../../../policies/authz_test.rego")),
    ];

    /// Takes the two texts.
    pub fn new(rego: impl Into<String>, data: impl Into<String>) -> Self {
        Self { rego: rego.into(), data: data.into(), tests: Vec::new(), folder: "policies".to_owned() }
    }

    /// The policy that the product is shipped with. Its tests were run before it was.
    pub fn builtin() -> Self {
        let [(_, rego), (_, data), _] = Self::BUILTIN;
        Self::new(rego, data)
    }

    /// Reads `authz.rego`, `data/scopes.json` and the tests in `folder`.
    ///
    /// # Errors
    /// One of them cannot be read or is no UTF-8.
    pub fn from_dir(folder: &Path) -> Result<Self, LoadError> {
        let (rego, data) = (read(&folder.join(REGO_FILE))?, read(&folder.join(DATA_FILE))?);
        Ok(Self { rego, data, tests: TestFile::from_dir(folder)?, folder: folder.display().to_string() })
    }

    /// SHA-256 in hex over both texts, each after its length, so that no text can pass into the other.
    pub fn hash(&self) -> String {
        let mut context = Context::new(&SHA256);
        for text in [&self.rego, &self.data] {
            context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(text.as_bytes());
        }
        hex::encode(context.finish())
    }

    pub(super) fn rego_name(&self) -> String {
        format!("{}/{REGO_FILE}", self.folder)
    }

    pub(super) fn data_name(&self) -> String {
        format!("{}/{DATA_FILE}", self.folder)
    }
}

/// The text of a file of the policy.
pub(super) fn read(path: &Path) -> Result<String, LoadError> {
    std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.display().to_string(), source })
}
