//! The answers of an operation: one for each status of its failures, and the headers of all of them.

use super::samples;
use super::scopes::Needed;
use crate::http::error::Code;
use crate::http::operations::{Access, OPERATIONS, Operation};
use serde_json::{Map, Value, json};

/// Failures that every request can meet, whoever sends it and wherever to.
const EVERYWHERE: [Code; 3] = [Code::PayloadTooLarge, Code::Internal, Code::Unavailable];

/// Adds the failures and headers of an operation of the API.
pub fn add(responses: &mut Map<String, Value>, operation: &Operation, needed: Option<Needed<'_>>) {
    let codes = operation.codes();
    for status in statuses(&codes) {
        let of_status: Vec<Code> = codes.iter().copied().filter(|code| code.status() == status).collect();
        let sample = |code: Code| example(code, operation, needed);
        responses.entry(status.as_str()).or_insert_with(|| failure(&of_status, operation.is_oauth(), sample));
    }
    finish(responses, |status| {
        let mut names = headers_of(status);
        if is_limited(status, operation.access) {
            names.extend(["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]);
        }
        if status.starts_with('2') && operation.may_be_repeated() {
            names.push("Idempotency-Replayed");
        }
        names
    });
}

/// Adds the failures and headers of an operation that is open to everybody.
pub fn add_public(responses: &mut Map<String, Value>) {
    for code in EVERYWHERE {
        let status = code.status();
        responses.entry(status.as_str()).or_insert_with(|| failure(&[code], false, shared_api));
    }
    finish(responses, headers_of);
}

/// Adds the examples that operations share.
pub fn add_examples(document: &mut Value) {
    let mut examples = Map::new();
    for operation in &OPERATIONS {
        for code in operation.codes().into_iter().filter(|code| !is_own(*code)) {
            let value = samples::body(&samples::of(code, operation.is_oauth()), operation.is_oauth());
            examples.insert(name(code, operation.is_oauth()), json!({ "value": value }));
        }
    }
    examples.sort_keys();
    if let Some(components) = document.get_mut("components").and_then(Value::as_object_mut) {
        components.insert("examples".to_owned(), Value::Object(examples));
    }
}

fn statuses(codes: &[Code]) -> Vec<http::StatusCode> {
    let mut statuses: Vec<http::StatusCode> = codes.iter().map(|code| code.status()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

fn failure(codes: &[Code], oauth: bool, example: impl Fn(Code) -> Value) -> Value {
    let word = |code: &Code| if oauth { code.oauth() } else { code.api() };
    let description = codes.iter().map(|code| format!("`{}`", word(code))).collect::<Vec<_>>().join(", ");
    let examples: Map<String, Value> = codes.iter().map(|code| (word(code).to_owned(), example(*code))).collect();
    let schema = if oauth { "OAuthError" } else { "Error" };
    let content = json!({"schema": {"$ref": format!("#/components/schemas/{schema}")}, "examples": examples});
    json!({"description": description, "content": {"application/json": content}})
}

/// The examples of some codes show what an operation itself asks for; the others are shared.
fn example(code: Code, operation: &Operation, needed: Option<Needed<'_>>) -> Value {
    let failure = match (code, needed) {
        (Code::Validation, _) => samples::validation(operation),
        (Code::UnauthorizedClient, _) => samples::unauthorized_client(operation),
        (Code::Forbidden, Some(needed)) => samples::forbidden(needed),
        _ => return shared(code, operation.is_oauth()),
    };
    json!({"value": samples::body(&failure, operation.is_oauth())})
}

fn is_own(code: Code) -> bool {
    matches!(code, Code::Validation | Code::Forbidden | Code::UnauthorizedClient)
}

fn shared_api(code: Code) -> Value {
    shared(code, false)
}

fn shared(code: Code, oauth: bool) -> Value {
    json!({"$ref": format!("#/components/examples/{}", name(code, oauth))})
}

/// At the OAuth endpoints several statuses have the same word.
fn name(code: Code, oauth: bool) -> String {
    if oauth { format!("{}.{}", code.status().as_str(), code.oauth()) } else { code.api().to_owned() }
}

/// Puts the answers in order and gives each its headers.
fn finish(responses: &mut Map<String, Value>, names: impl Fn(&str) -> Vec<&'static str>) {
    responses.sort_keys();
    for (status, response) in responses.iter_mut() {
        let Some(response) = response.as_object_mut() else { continue };
        let headers = response.entry("headers").or_insert_with(|| json!({}));
        let Some(headers) = headers.as_object_mut() else { continue };
        for name in names(status) {
            headers.insert(name.to_owned(), json!({"$ref": format!("#/components/headers/{name}")}));
        }
    }
}

fn headers_of(status: &str) -> Vec<&'static str> {
    let mut names = vec!["X-Request-Id", "Cache-Control"];
    match status {
        "401" | "403" => names.push("WWW-Authenticate"),
        "429" | "503" => names.push("Retry-After"),
        _ => {}
    }
    names
}

/// What is refused before the limit is looked at does not say what is left of it. A client whose credential expires
/// while it asks for a token has been counted.
fn is_limited(status: &str, access: Access) -> bool {
    match status {
        "401" => access == Access::Client,
        status => status != "413",
    }
}
