//! The audit event's row.

use super::{Row, json};
use crate::sql::entities::audit_events::{ActiveModel, Model};
use agentidp_core::domain::audit::{Actor, AuditEvent};
use agentidp_core::domain::ids::{AgentId, CredentialId, EventId, TokenId};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::storage::StoreError;
use sea_orm::ActiveValue::Set;

/// The event in a row.
pub fn read(model: Model) -> Result<AuditEvent, StoreError> {
    let row = Row::of("audit_events", model.id);
    Ok(AuditEvent {
        id: EventId::new(model.id),
        timestamp: Timestamp::from_unix_millis(model.occurred_at),
        agent_id: model.agent_id.map(AgentId::new),
        owner: row.parse_optional("owner", model.owner.as_deref())?,
        actor: actor(&row, &model)?,
        action: row.parse("action", &model.action)?,
        outcome: row.parse("outcome", &model.outcome)?,
        reason: model.reason,
        ip_address: row.parse_optional("ip_address", model.ip_address.as_deref())?,
        user_agent: model.user_agent,
        request_id: model.request_id,
        policy_hash: model.policy_hash,
        metadata: json::read(&model.metadata).ok_or_else(|| row.bad("metadata"))?,
    })
}

fn actor(row: &Row, model: &Model) -> Result<Option<Actor>, StoreError> {
    let Some(agent_id) = model.actor_agent_id else { return Ok(None) };
    let token_type = model.actor_token_type.as_deref().ok_or_else(|| row.bad("actor_token_type"))?;
    Ok(Some(Actor {
        agent_id: AgentId::new(agent_id),
        token_type: row.parse("actor_token_type", token_type)?,
        credential_id: model.actor_credential_id.map(CredentialId::new),
        token_id: model.actor_token_id.map(TokenId::new),
    }))
}

/// The row of an event.
pub fn new(event: &AuditEvent) -> ActiveModel {
    let actor = event.actor.as_ref();
    ActiveModel {
        id: Set(event.id.uuid()),
        occurred_at: Set(event.timestamp.unix_millis()),
        agent_id: Set(event.agent_id.map(AgentId::uuid)),
        owner: Set(event.owner.as_ref().map(ToString::to_string)),
        actor_agent_id: Set(actor.map(|actor| actor.agent_id.uuid())),
        actor_token_type: Set(actor.map(|actor| actor.token_type.to_string())),
        actor_credential_id: Set(actor.and_then(|actor| actor.credential_id).map(CredentialId::uuid)),
        actor_token_id: Set(actor.and_then(|actor| actor.token_id).map(TokenId::uuid)),
        action: Set(event.action.to_string()),
        outcome: Set(event.outcome.to_string()),
        reason: Set(event.reason.clone()),
        ip_address: Set(event.ip_address.map(|address| address.to_string())),
        user_agent: Set(event.user_agent.clone()),
        request_id: Set(event.request_id.clone()),
        policy_hash: Set(event.policy_hash.clone()),
        metadata: Set(json::write(&event.metadata)),
    }
}
