//! Bodies of the audit log.

use super::fields::{Fields, text};
use super::page::{next_cursor, page_request};
use crate::http::error::Failure;
use agentidp_core::domain::audit::{self as domain, AuditFilter};
use agentidp_core::domain::json::Json;
use agentidp_core::domain::page::{Page, PageRequest};
use agentidp_core::domain::time::Timestamp;
use poem_openapi::Object;
use serde_json::Value;

/// One line of the audit log.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub struct AuditEvent {
    pub event_id: String,
    pub timestamp: String,
    /// The agent that the event is about.
    pub agent_id: Option<String>,
    /// Who did it.
    pub actor: Option<Actor>,
    pub action: String,
    pub outcome: String,
    /// The machine-readable cause of a failure.
    pub reason: Option<String>,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    /// SHA-256, in hex, of the policy that decided.
    pub policy_hash: Option<String>,
    pub metadata: Value,
}

/// Who did it.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub struct Actor {
    pub agent_id: String,
    /// How it authenticated: `jwt`, `biscuit` or `client`.
    pub token_type: String,
    pub credential_id: Option<String>,
    pub token_id: Option<String>,
}

/// A page of events, newest first.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub struct AuditEventPage {
    pub data: Vec<AuditEvent>,
    /// Give it as `cursor` to get the next page; null on the last one.
    pub next_cursor: Option<String>,
}

impl From<&domain::AuditEvent> for AuditEvent {
    fn from(event: &domain::AuditEvent) -> Self {
        Self {
            event_id: event.id.to_string(),
            timestamp: event.timestamp.to_string(),
            agent_id: event.agent_id.map(|id| id.to_string()),
            actor: event.actor.as_ref().map(Actor::from),
            action: event.action.to_string(),
            outcome: event.outcome.to_string(),
            reason: event.reason.clone(),
            ip_address: event.ip_address.map(|ip| ip.to_string()),
            user_agent: event.user_agent.clone(),
            request_id: event.request_id.clone(),
            policy_hash: event.policy_hash.clone(),
            metadata: json(&event.metadata),
        }
    }
}

impl From<&domain::Actor> for Actor {
    fn from(actor: &domain::Actor) -> Self {
        Self {
            agent_id: actor.agent_id.to_string(),
            token_type: actor.token_type.to_string(),
            credential_id: actor.credential_id.map(|id| id.to_string()),
            token_id: actor.token_id.map(|id| id.to_string()),
        }
    }
}

impl From<Page<domain::AuditEvent>> for AuditEventPage {
    fn from(page: Page<domain::AuditEvent>) -> Self {
        Self { data: page.items.iter().map(AuditEvent::from).collect(), next_cursor: next_cursor(&page) }
    }
}

/// A JSON value of the core for the serialiser.
pub fn json(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Integer(value) => Value::from(*value),
        Json::Text(text) => Value::String(text.clone()),
        Json::List(items) => Value::Array(items.iter().map(json).collect()),
        Json::Object(members) => Value::Object(members.iter().map(|(key, value)| (key.clone(), json(value))).collect()),
    }
}

/// Reads the parameters of the query.
///
/// # Errors
/// Every invalid parameter.
pub fn audit_filter(mut fields: Fields) -> Result<(AuditFilter, PageRequest), Failure> {
    let page = page_request(&mut fields);
    let filter = AuditFilter {
        agent_id: fields.optional("agentId", text),
        action: fields.optional("action", text),
        outcome: fields.optional("outcome", text),
        from: fields.optional("from", text::<Timestamp>),
        to: fields.optional("to", text::<Timestamp>),
    };
    fields.finish(|| Some((filter, page?)))
}
