//! The OpenAPI document: what poem-openapi generates from the handlers, completed from the table of operations and
//! from `overlay.json` (parameters, form bodies, formats, examples).

use super::agents::AgentsApi;
use super::audit::AuditApi;
use super::credentials::CredentialsApi;
use super::error::Code;
use super::operations::{Access, OPERATIONS, Operation, is_oauth_path};
use super::tokens::TokensApi;
use poem_openapi::OpenApiService;
use serde_json::{Map, Value, json};

/// The handlers of the API.
pub type Api = (AgentsApi, CredentialsApi, TokensApi, AuditApi);

const OVERLAY: &str = include_str!("overlay.json");
const PREFIX: &str = "/api/v1";

/// The service whose routes are mounted under `/api/v1`.
pub fn service() -> OpenApiService<Api, ()> {
    OpenApiService::new((AgentsApi, CredentialsApi, TokensApi, AuditApi), "AgentIdP", env!("CARGO_PKG_VERSION"))
}

/// The document, complete.
///
/// # Errors
/// A part of it is no JSON or an operation is missing.
pub fn document() -> Result<Value, String> {
    let spec = service().spec();
    let mut document: Value = serde_json::from_str(&spec).map_err(|error| error.to_string())?;
    prefix_paths(&mut document);
    rename_content_types(&mut document);
    for operation in &OPERATIONS {
        complete(&mut document, operation)?;
    }
    let overlay: Value = serde_json::from_str(OVERLAY).map_err(|error| format!("overlay.json: {error}"))?;
    merge(&mut document, overlay);
    Ok(document)
}

/// Swagger UI with the document inlined; it asks nobody else for anything.
///
/// # Errors
/// The page has another form than expected.
pub fn viewer(document: &Value) -> Result<String, String> {
    let service = service();
    let (page, generated) = (service.swagger_ui_html(), service.spec());
    // Inside a script, `</` could end the script.
    let inlined = document.to_string().replace("</", "<\\/");
    let complete = page.replacen(&generated, &inlined, 1);
    if complete == page { Err("the document is not in the page of Swagger UI".to_owned()) } else { Ok(complete) }
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

/// Adds security and errors.
fn complete(document: &mut Value, operation: &Operation) -> Result<(), String> {
    let method = operation.method.to_ascii_lowercase();
    let entry = document
        .get_mut("paths")
        .and_then(|paths| paths.get_mut(operation.path)?.get_mut(&method)?.as_object_mut())
        .ok_or_else(|| format!("`{}` is not in the generated document", operation.id))?;
    entry.insert("security".to_owned(), security(operation.access));
    let responses = entry.entry("responses").or_insert_with(|| json!({}));
    if let Some(responses) = responses.as_object_mut() {
        add_errors(responses, operation);
        responses.values_mut().for_each(add_request_id);
    }
    Ok(())
}

fn security(access: Access) -> Value {
    match access {
        Access::Bearer => json!([{"Bearer": []}]),
        // The empty one stands for `client_id` and `client_secret` in the form, which no security scheme describes.
        Access::Client => json!([{"Client": []}, {}]),
        Access::BearerOrClient => json!([{"Bearer": []}, {"Client": []}, {}]),
    }
}

/// One response for each status, which names the codes that it may carry.
fn add_errors(responses: &mut Map<String, Value>, operation: &Operation) {
    let oauth = is_oauth_path(operation.path);
    let codes = operation.codes();
    let mut statuses: Vec<u16> = codes.iter().map(|code| code.status().as_u16()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    for status in statuses {
        let of_status: Vec<Code> = codes.iter().copied().filter(|code| code.status().as_u16() == status).collect();
        let word = |code: &Code| if oauth { code.oauth() } else { code.api() };
        let mut words: Vec<&str> = of_status.iter().map(word).collect();
        words.sort_unstable();
        words.dedup();
        let description = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let schema = if oauth { "OAuthError" } else { "Error" };
        let example = words.first().map(|word| example(word, oauth)).unwrap_or_default();
        let content = json!({"schema": {"$ref": format!("#/components/schemas/{schema}")}, "example": example});
        let mut response = json!({"description": description, "content": {"application/json": content}, "headers": {}});
        if let Some(headers) = response.get_mut("headers").and_then(Value::as_object_mut) {
            headers.extend(headers_of(status));
        }
        responses.insert(status.to_string(), response);
    }
}

fn example(word: &str, oauth: bool) -> Value {
    if oauth {
        json!({"error": word, "error_description": "what went wrong, for people"})
    } else {
        json!({"code": word, "message": "what went wrong, for people", "requestId": "0198c0de-0000-7000-8000-0000000000aa"})
    }
}

fn headers_of(status: u16) -> Map<String, Value> {
    let header = |name: &str, kind: &str| (name.to_owned(), json!({"schema": {"type": kind}}));
    match status {
        401 | 403 => Map::from_iter([header("WWW-Authenticate", "string")]),
        429 | 503 => Map::from_iter([header("Retry-After", "integer")]),
        _ => Map::new(),
    }
}

fn add_request_id(response: &mut Value) {
    if let Some(response) = response.as_object_mut() {
        let headers = response.entry("headers").or_insert_with(|| json!({}));
        if let Some(headers) = headers.as_object_mut() {
            headers.insert("X-Request-Id".to_owned(), json!({"schema": {"type": "string"}}));
        }
    }
}

/// JSON Merge Patch (RFC 7396).
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
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}
