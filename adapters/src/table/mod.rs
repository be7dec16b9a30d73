//! The shipped policy in plain Rust, over the same `scopes.json`: `POLICY_ENGINE=table`, and the oracle of the tests.
//! Its order, names and sentences are those of `policies/authz.rego`; a rule is changed in both places.

mod held;
mod rules;

use agentidp_core::ports::policy::{Decided, PolicyEngine, PolicyError, PolicyInput};
use autometrics::autometrics;
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::BTreeMap;

/// Names the rules in the hash; to be raised whenever a rule changes.
const RULES: &str = "agentidp table policy 1";

/// The table cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the table of scopes does not parse")]
pub struct TableError(#[source] serde_json::Error);

/// For each scope the operations that it opens, each with words for it.
type Scopes = BTreeMap<String, BTreeMap<String, String>>;

#[derive(serde::Deserialize)]
struct Document {
    scopes: Scopes,
}

/// Decides by rules that cannot be changed.
pub struct TablePolicy {
    scopes: Scopes,
    hash: String,
}

impl TablePolicy {
    /// Takes the text of a `scopes.json`.
    ///
    /// # Errors
    /// It is no table of scopes and operations.
    pub fn new(data: &str) -> Result<Self, TableError> {
        let document: Document = serde_json::from_str(data).map_err(TableError)?;
        Ok(Self { scopes: document.scopes, hash: hash(data) })
    }

    /// The table that the product is shipped with.
    ///
    /// # Errors
    /// None in a build that passed its tests.
    pub fn builtin() -> Result<Self, TableError> {
        Self::new(include_str!("../../../policies/data/scopes.json"))
    }
}

/// SHA-256 in hex over the name of the rules and the table, each after its length.
fn hash(data: &str) -> String {
    let mut context = Context::new(&SHA256);
    for text in [RULES, data] {
        context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(text.as_bytes());
    }
    hex::encode(context.finish())
}

#[autometrics]
impl PolicyEngine for TablePolicy {
    fn decide(&self, input: &PolicyInput) -> Result<Decided, PolicyError> {
        Ok(Decided { decision: rules::decide(&self.scopes, input), policy_hash: self.hash.clone() })
    }

    #[skip_autometrics]
    fn hash(&self) -> String {
        self.hash.clone()
    }
}
