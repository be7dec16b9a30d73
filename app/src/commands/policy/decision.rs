//! A decision, as JSON and as words.

use agentidp_core::ports::policy::{Decision, Owners, Refusal};
use serde_json::{Value, json};

/// The status of a refusal.
pub fn status(decision: &Decision) -> Option<u16> {
    match decision.refusal {
        _ if decision.allow => None,
        Refusal::Forbidden => Some(403),
        Refusal::NotFound => Some(404),
    }
}

/// Whether it is allowed, or how it is refused.
pub fn verdict(decision: &Decision) -> String {
    status(decision).map_or("allowed".to_owned(), |status| format!("refused with {status}"))
}

/// The owners within reach: `"*"` or a list.
pub fn owners(owners: &Owners) -> Value {
    match owners {
        Owners::All => "*".into(),
        Owners::Only(owners) => owners.iter().map(ToString::to_string).collect(),
    }
}

/// All of it, by the names that the policy uses.
pub fn to_json(decision: &Decision) -> Value {
    let texts = |items: &mut dyn Iterator<Item = String>| items.collect::<Value>();
    json!({
        "allow": decision.allow, "status": status(decision), "rule": decision.rule, "reason": decision.reason,
        "owners": owners(&decision.owners),
        "missing": texts(&mut decision.missing.iter().map(ToString::to_string)),
        "scopes": decision.scopes.as_ref().map(|scopes| texts(&mut scopes.iter().map(ToString::to_string))),
    })
}
