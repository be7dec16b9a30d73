//! The OpenAPI document: what poem-openapi generates from the handlers, completed from `overlay/*.json` (parameters,
//! form bodies, formats, examples), from the closed sets of the domain and from the table of operations (security,
//! failures, headers). What follows from a rule is made here; what is said once stands in the overlay.

mod overlay;
mod responses;
mod samples;
mod scopes;
pub mod viewer;
mod vocabulary;

use super::agents::AgentsApi;
use super::audit::AuditApi;
use super::credentials::CredentialsApi;
use super::operations::{Access, OPERATIONS, Operation, PREFIX};
use super::tokens::TokensApi;
use poem_openapi::OpenApiService;
use scopes::Scopes;
use serde_json::{Map, Value, json};

/// The handlers of the API.
pub type Api = (AgentsApi, CredentialsApi, TokensApi, AuditApi);

/// The service whose routes are mounted under `/api/v1`.
pub fn service() -> OpenApiService<Api, ()> {
    OpenApiService::new((AgentsApi, CredentialsApi, TokensApi, AuditApi), "AgentIdP", env!("CARGO_PKG_VERSION"))
}

/// The document, complete.
///
/// # Errors
/// A part of it is no JSON, or an operation is missing.
pub fn document() -> Result<Value, String> {
    let mut document: Value = serde_json::from_str(&service().spec()).map_err(|error| error.to_string())?;
    prefix_paths(&mut document);
    rename_content_types(&mut document);
    vocabulary::add(&mut document);
    overlay::apply(&mut document)?;
    let scopes = Scopes::load()?;
    for operation in &OPERATIONS {
        complete(&mut document, operation, &scopes)?;
    }
    complete_public(&mut document);
    responses::add_examples(&mut document);
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        schemas.iter_mut().filter(|(name, _)| name.ends_with("Request")).for_each(|(_, schema)| close(schema));
        schemas.sort_keys();
    }
    Ok(document)
}

fn prefix_paths(document: &mut Value) {
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        *paths = std::mem::take(paths).into_iter().map(|(path, item)| (format!("{PREFIX}{path}"), item)).collect();
    }
}

fn rename_content_types(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(json) = members.remove("application/json; charset=utf-8") {
                members.insert("application/json".to_owned(), json);
            }
            members.values_mut().for_each(rename_content_types);
        }
        Value::Array(items) => items.iter_mut().for_each(rename_content_types),
        _ => {}
    }
}

/// Adds security, the scope that is needed, failures and headers.
fn complete(document: &mut Value, operation: &Operation, scopes: &Scopes) -> Result<(), String> {
    let method = operation.method.to_ascii_lowercase();
    let entry = document
        .get_mut("paths")
        .and_then(|paths| paths.get_mut(operation.path)?.get_mut(&method)?.as_object_mut())
        .ok_or_else(|| format!("`{}` is not in the generated document", operation.id))?;
    entry.insert("security".to_owned(), security(operation.access));
    let needed = scopes.of(operation.id);
    if let (Access::Bearer, Some(needed), Some(Value::String(text))) =
        (operation.access, needed, entry.get_mut("description"))
    {
        text.push_str(&format!("\n\nNeeds the scope `{}`.", needed.scope));
    }
    if let Some(responses) = entry.get_mut("responses").and_then(Value::as_object_mut) {
        responses::add(responses, operation, needed);
    }
    put_in_order(entry);
    Ok(())
}

/// What a reader looks for first stands first.
fn put_in_order(operation: &mut Map<String, Value>) {
    let order = ["operationId", "summary", "description", "tags", "security", "parameters", "requestBody", "responses"];
    for name in order {
        if let Some(value) = operation.shift_remove(name) {
            operation.insert(name.to_owned(), value);
        }
    }
}

/// Operations outside of the table are open to everybody.
fn complete_public(document: &mut Value) {
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for (_, item) in paths.iter_mut().filter(|(path, _)| !path.starts_with(PREFIX)) {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
            operation.insert("security".to_owned(), json!([]));
            if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
                responses::add_public(responses);
            }
            put_in_order(operation);
        }
    }
}

/// A client without a header puts its credentials into the form, which no security scheme can say; the description of
/// `Client` does. An empty requirement beside the others would say that the operation is open to everybody.
fn security(access: Access) -> Value {
    match access {
        Access::Bearer => json!([{"Bearer": []}]),
        Access::Client => json!([{"Client": []}]),
        Access::BearerOrClient => json!([{"Bearer": []}, {"Client": []}]),
    }
}

/// Requests have no fields but the documented ones, unless they say so themselves. Answers may get more with any
/// release, so they say nothing of the kind.
fn close(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    if let Some(properties) = members.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(close);
        members.entry("additionalProperties").or_insert(Value::Bool(false));
    }
}
