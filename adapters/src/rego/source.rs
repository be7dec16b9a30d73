//! The two texts that make a policy, and where they come from.

use super::LoadError;
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
    /// The folder named in messages.
    folder: String,
}

impl PolicySource {
    /// Takes the two texts.
    pub fn new(rego: impl Into<String>, data: impl Into<String>) -> Self {
        Self { rego: rego.into(), data: data.into(), folder: "policies".to_owned() }
    }

    /// The policy that the product is shipped with.
    pub fn builtin() -> Self {
        Self::new(include_str!("../../../policies/authz.rego"), include_str!("../../../policies/data/scopes.json"))
    }

    /// Reads `authz.rego` and `data/scopes.json` in `folder`.
    ///
    /// # Errors
    /// One of them cannot be read or is no UTF-8.
    pub fn from_dir(folder: &Path) -> Result<Self, LoadError> {
        let read = |name: &str| read(&folder.join(name));
        Ok(Self { rego: read(REGO_FILE)?, data: read(DATA_FILE)?, folder: folder.display().to_string() })
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
