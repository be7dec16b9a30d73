//! Which scope an operation needs, for the reader of the document: from the policy's own table.

use serde_json::Value;

const TABLE: &str = include_str!("../../../../policies/data/scopes.json");
/// Opens everything: nobody needs it.
const EVERYTHING: &str = "admin:all";

/// The policy's table.
pub struct Scopes(Value);

/// The scope that an operation needs, and what the policy calls the operation.
#[derive(Debug, Clone, Copy)]
pub struct Needed<'a> {
    pub scope: &'a str,
    pub phrase: &'a str,
}

impl Scopes {
    /// Reads the table.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn load() -> Result<Self, String> {
        serde_json::from_str(TABLE).map(Self).map_err(|error| format!("scopes.json: {error}"))
    }

    /// The scope that the operation needs, if any.
    pub fn of(&self, operation: &str) -> Option<Needed<'_>> {
        let table = self.0.get("scopes")?.as_object()?;
        table.iter().filter(|(scope, _)| *scope != EVERYTHING).find_map(|(scope, operations)| {
            let phrase = operations.get(operation)?.as_str()?;
            Some(Needed { scope, phrase })
        })
    }
}
