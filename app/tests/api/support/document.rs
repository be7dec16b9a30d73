//! The OpenAPI document as tests ask about it.

use jsonschema::Draft;
use serde_json::{Map, Value, json};

/// The document.
pub struct Document(pub Value);

/// One operation of the document.
#[derive(Debug, Clone)]
pub struct Documented {
    pub id: String,
    /// In upper case.
    pub method: String,
    pub path: String,
    pub value: Value,
}

impl Document {
    pub fn load() -> Self {
        Self(agentidp::http::openapi::document().unwrap())
    }

    pub fn operations(&self) -> Vec<Documented> {
        let mut operations = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for (method, value) in item.as_object().unwrap() {
                let id = value["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path}: no id")).to_owned();
                let (method, path, value) = (method.to_uppercase(), path.clone(), value.clone());
                operations.push(Documented { id, method, path, value });
            }
        }
        operations
    }

    pub fn operation(&self, id: &str) -> Documented {
        self.operations().into_iter().find(|operation| operation.id == id).unwrap_or_else(|| panic!("no {id}"))
    }

    /// What a `$ref` stands for; anything else is itself.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(name) => self.0.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} is not there")),
            None => value,
        }
    }

    /// What of `value` is not as `schema` says.
    pub fn mistakes(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut root = as_json_schema(schema);
        root["components"] = json!({"schemas": as_json_schema(&self.0["components"]["schemas"])});
        // In a schema of OpenAPI 3.0, as in this draft, a `$ref` stands for itself alone.
        if let Some(name) = root.as_object_mut().unwrap().remove("$ref") {
            root["allOf"] = json!([{"$ref": name}]);
        }
        let validator = jsonschema::options().with_draft(Draft::Draft7).should_validate_formats(true).build(&root);
        validator
            .expect("the schema is one")
            .iter_errors(value)
            .map(|error| format!("at `{}`: {error}", error.instance_path))
            .collect()
    }

    /// The examples of a media type by name.
    pub fn examples(&self, media: &Value) -> Vec<(String, Value)> {
        let single = media.get("example").map(|value| ("example".to_owned(), value.clone()));
        let named = media.get("examples").and_then(Value::as_object).cloned().unwrap_or_default();
        let named = named.into_iter().map(|(name, example)| (name, self.resolve(&example)["value"].clone()));
        single.into_iter().chain(named).collect()
    }
}

/// A schema of OpenAPI 3.0 as JSON Schema, closed: what differs here is `nullable`.
fn as_json_schema(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(as_json_schema).collect(),
        Value::Object(members) => {
            let mut members: Map<String, Value> =
                members.iter().map(|(name, value)| (name.clone(), as_json_schema(value))).collect();
            // Answers may grow, but not past the document: a field that it does not name is a mistake of this version.
            if members.contains_key("properties") && members.get("type") == Some(&json!("object")) {
                members.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            if members.remove("nullable") != Some(Value::Bool(true)) {
                return Value::Object(members);
            }
            match members.get_mut("type") {
                Some(kind) => *kind = json!([kind.clone(), "null"]),
                None => return json!({"anyOf": [members, {"type": "null"}]}),
            }
            Value::Object(members)
        }
        other => other.clone(),
    }
}
