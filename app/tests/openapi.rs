//! The OpenAPI document against itself, against the table of operations and against the policy; no server, no database.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

#[path = "api/support/document.rs"]
mod document;

use agentidp::http::error::Code;
use agentidp::http::operations::OPERATIONS;
use document::{Document, Documented};
use serde_json::Value;
use std::collections::BTreeSet;

/// The operations of the contract. They are in policies and in metrics: none is ever renamed.
const API: [&str; 14] = [
    "registerAgent",
    "listAgents",
    "getAgent",
    "updateAgent",
    "decommissionAgent",
    "generateCredential",
    "listCredentials",
    "rotateCredential",
    "revokeCredential",
    "issueToken",
    "introspectToken",
    "revokeToken",
    "queryAuditLog",
    "getAuditEvent",
];

/// The operations that are open to everybody.
const PUBLIC: [&str; 8] = [
    "getHealth",
    "getLiveness",
    "getReadiness",
    "getMetrics",
    "getKeySet",
    "getBiscuitKeys",
    "getServerMetadata",
    "getOpenApiDocument",
];

/// Needs no scope: the policy decides by the agent's capabilities.
const WITHOUT_SCOPE: &str = "issueToken";

fn responses(operation: &Documented) -> &serde_json::Map<String, Value> {
    operation.value["responses"].as_object().unwrap()
}

#[test]
fn the_operations_are_those_of_the_contract() {
    let document = Document::load();
    let ids: Vec<String> = document.operations().into_iter().map(|operation| operation.id).collect();
    let distinct: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(distinct.len(), ids.len(), "an id is used twice");
    assert_eq!(distinct, API.into_iter().chain(PUBLIC).collect());
}

#[test]
fn the_table_of_operations_says_where_they_are() {
    let document = Document::load();
    for operation in &OPERATIONS {
        let documented = document.operation(operation.id);
        assert_eq!((documented.method.as_str(), documented.path.as_str()), (operation.method, operation.path));
    }
}

#[test]
fn every_operation_names_its_security_or_is_public() {
    for operation in Document::load().operations() {
        let security = operation.value["security"].as_array().unwrap_or_else(|| panic!("{} is open", operation.id));
        let public = PUBLIC.contains(&operation.id.as_str());
        assert_eq!(security.is_empty(), public, "{}", operation.id);
        for requirement in security {
            let names: Vec<&String> = requirement.as_object().unwrap().keys().collect();
            assert!(names == ["Bearer"] || names == ["Client"], "{}: {requirement}", operation.id);
        }
    }
}

#[test]
fn the_document_and_the_policy_know_the_same_operations() {
    let table: Value = serde_json::from_str(include_str!("../../policies/data/scopes.json")).unwrap();
    let scopes = table["scopes"].as_object().unwrap();
    let in_policy: BTreeSet<&str> =
        scopes.values().flat_map(|operations| operations.as_object().unwrap().keys()).map(String::as_str).collect();
    assert_eq!(in_policy, API.into_iter().filter(|id| *id != WITHOUT_SCOPE).collect());
    let document = Document::load();
    for (scope, operations) in scopes.iter().filter(|(scope, _)| *scope != "admin:all") {
        for id in operations.as_object().unwrap().keys() {
            let description = document.operation(id).value["description"].as_str().unwrap().to_owned();
            assert!(description.contains(&format!("`{scope}`")), "{id} does not say that it needs {scope}");
        }
    }
}

#[test]
fn every_code_is_documented_with_its_status_its_schema_and_an_example() {
    let document = Document::load();
    for operation in &OPERATIONS {
        let documented = document.operation(operation.id);
        let (schema, member) = if operation.is_oauth() { ("OAuthError", "error") } else { ("Error", "code") };
        for code in operation.codes() {
            let word = if operation.is_oauth() { code.oauth() } else { code.api() };
            let response = &responses(&documented)[code.status().as_str()];
            let named = response["description"].as_str().unwrap().contains(&format!("`{word}`"));
            assert!(named, "{}: {word} is not named", operation.id);
            let media = &response["content"]["application/json"];
            assert_eq!(media["schema"]["$ref"], format!("#/components/schemas/{schema}"), "{}", operation.id);
            let example = document.examples(media).into_iter().find(|(name, _)| name == word);
            assert_eq!(example.unwrap_or_else(|| panic!("{}: no {word}", operation.id)).1[member], word);
        }
    }
}

#[test]
fn the_enum_of_codes_is_the_contract_s() {
    let document = Document::load();
    let words = |schema: &str| document.0["components"]["schemas"][schema]["enum"].as_array().unwrap().len();
    assert_eq!((words("ErrorCode"), words("OAuthErrorCode")), (20, 12));
    assert!(Code::ALL.len() >= 20);
}

#[test]
fn the_tables_of_codes_are_complete() {
    let page = include_str!("../../docs/API-DESIGN.md");
    let row = |word: &str| {
        let begin = format!("| `{word}` | ");
        page.lines().find(|line| line.starts_with(&begin)).unwrap_or_else(|| panic!("no row of {word}")).to_owned()
    };
    for operation in &OPERATIONS {
        for code in operation.codes() {
            let word = if operation.is_oauth() { code.oauth() } else { code.api() };
            assert!(row(word).contains(code.status().as_str()), "{word}");
        }
    }
    for word in Document::load().0["components"]["schemas"]["ErrorCode"]["enum"].as_array().unwrap() {
        row(word.as_str().unwrap());
    }
}

/// Every body of the document: what it belongs to, its media type's object.
fn bodies(document: &Document) -> Vec<(String, Value)> {
    let mut bodies = Vec::new();
    for operation in document.operations() {
        let request = operation.value.get("requestBody").map(|body| ("request".to_owned(), body.clone()));
        let answers = responses(&operation).clone();
        for (part, holder) in request.into_iter().chain(answers) {
            for (kind, media) in holder.get("content").and_then(Value::as_object).into_iter().flatten() {
                bodies.push((format!("{} {part} {kind}", operation.id), media.clone()));
            }
        }
    }
    bodies
}

#[test]
fn every_body_has_an_example_and_every_example_is_valid() {
    let document = Document::load();
    for (place, media) in bodies(&document) {
        let examples = document.examples(&media);
        assert!(!examples.is_empty(), "{place} has no example");
        for (name, value) in examples {
            assert_eq!(document.mistakes(&media["schema"], &value), Vec::<String>::new(), "{place}, {name}: {value}");
        }
    }
}

#[test]
fn every_answer_but_204_has_a_body() {
    for operation in Document::load().operations() {
        for (status, response) in responses(&operation) {
            let described = !response["description"].as_str().unwrap_or_default().is_empty();
            assert!(described, "{} {status} has no description", operation.id);
            assert_eq!(response.get("content").is_none(), status == "204", "{} {status}", operation.id);
        }
    }
}

#[test]
fn parameters_are_those_of_the_path_and_valid() {
    let document = Document::load();
    for operation in document.operations() {
        let parameters = operation.value.get("parameters").and_then(Value::as_array).cloned().unwrap_or_default();
        let parameters: Vec<Value> = parameters.iter().map(|parameter| document.resolve(parameter).clone()).collect();
        let named: BTreeSet<String> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
            .collect();
        let in_path = operation.path.split('/').filter(|part| part.starts_with('{')).map(str::to_owned).collect();
        assert_eq!(named, in_path, "{}", operation.id);
        for parameter in &parameters {
            assert!(parameter["description"].is_string(), "{}: {parameter}", operation.id);
            if let Some(value) = parameter.get("example") {
                assert_eq!(document.mistakes(&parameter["schema"], value), Vec::<String>::new(), "{parameter}");
            }
        }
        let key = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
        let changes = OPERATIONS.iter().any(|known| known.id == operation.id && known.may_be_repeated());
        assert_eq!(key, changes, "{}", operation.id);
    }
}

#[test]
fn requests_are_closed_and_answers_may_grow() {
    let document = Document::load();
    for (name, schema) in document.0["components"]["schemas"].as_object().unwrap() {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { continue };
        let others = schema.get("additionalProperties");
        let said = if name.ends_with("Request") { others.is_some() } else { others != Some(&Value::Bool(false)) };
        assert!(said, "{name}");
        for required in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            assert!(properties.contains_key(required.as_str().unwrap()), "{name} has no {required}");
        }
    }
}

#[test]
fn examples_of_fields_are_valid() {
    let document = Document::load();
    for (name, schema) in document.0["components"]["schemas"].as_object().unwrap() {
        for (field, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if let Some(value) = property.get("example") {
                assert_eq!(document.mistakes(property, value), Vec::<String>::new(), "{name}.{field}");
            }
        }
    }
}

#[test]
fn the_schemas_refuse_what_the_server_refuses() {
    let document = Document::load();
    let refused = |schema: &str, change: &dyn Fn(&mut Value)| {
        let media = &document.operation(schema).value["requestBody"]["content"]["application/json"];
        let mut value = media["example"].clone();
        change(&mut value);
        assert!(!document.mistakes(&media["schema"], &value).is_empty(), "{schema} takes {value}");
    };
    refused("registerAgent", &|value| value["email"] = "nobody".into());
    refused("registerAgent", &|value| value["capabilities"] = serde_json::json!(["*:read"]));
    refused("registerAgent", &|value| value["capabilities"] = serde_json::json!(["a:b", "a:b"]));
    refused("registerAgent", &|value| value["owner"] = " talent-team".into());
    refused("registerAgent", &|value| value["version"] = "1.4".into());
    refused("registerAgent", &|value| value["version"] = "1.4.0+.a".into());
    refused("registerAgent", &|value| value["version"] = "1.4.0-01".into());
    refused("registerAgent", &|value| value["version"] = "1.99999999999999999999.0".into());
    refused("registerAgent", &|value| value["status"] = "active".into());
    refused("updateAgent", &|value| *value = serde_json::json!({}));
    refused("updateAgent", &|value| value["status"] = "decommissioned".into());
    refused("rotateCredential", &|value| value["graceSeconds"] = 86_401.into());
    refused("generateCredential", &|value| value["expiresAt"] = Value::Null);
}

#[test]
fn the_committed_file_is_this_document() {
    let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/agentidp.yaml"));
    let made = serde_yaml_ng::to_string(&Document::load().0).unwrap();
    assert!(file.unwrap_or_default() == made, "openapi/agentidp.yaml is out of date; run `make generate`");
}
