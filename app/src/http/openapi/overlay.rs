//! What the handlers cannot say: merged into the generated document by JSON Merge Patch (RFC 7396), in this order.

use serde_json::{Value, json};

const OVERLAYS: [(&str, &str); 6] = [
    ("info", include_str!("../overlay/info.json")),
    ("agents", include_str!("../overlay/agents.json")),
    ("credentials", include_str!("../overlay/credentials.json")),
    ("tokens", include_str!("../overlay/tokens.json")),
    ("audit", include_str!("../overlay/audit.json")),
    ("system", include_str!("../overlay/system.json")),
];

/// Merges every overlay into the document.
///
/// # Errors
/// One of them is no JSON.
pub fn apply(document: &mut Value) -> Result<(), String> {
    for (name, text) in OVERLAYS {
        let overlay: Value = serde_json::from_str(text).map_err(|error| format!("overlay/{name}.json: {error}"))?;
        merge(document, overlay);
    }
    Ok(())
}

/// As the RFC says, but for examples, which are taken over whole: a null in them is a null.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(members) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.shift_remove(&name);
        } else if matches!(name.as_str(), "example" | "examples") {
            members.insert(name, value);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_removes_a_member_but_is_a_value_in_an_example() {
        let mut target = json!({"a": 1, "b": {"c": 2, "d": 3}});
        merge(&mut target, json!({"a": null, "b": {"c": null}, "example": {"e": null}}));
        assert_eq!(target, json!({"b": {"d": 3}, "example": {"e": null}}));
    }
}
