//! The use-cases: one service per resource, one method per use-case. The use-cases of a resource share nearly all ways
//! to fail, and one table turns them into answers, so there is one error enum for each service, not for each method.

pub mod access;
pub mod agents;
pub mod audit;
pub mod bootstrap;
pub mod clients;
pub mod credentials;
pub mod custody;
pub mod exchange;
pub mod explain;
pub mod freshness;
pub mod health;
pub mod import;
pub mod keys;
pub mod presented;
pub mod replay;
pub mod tally;
pub mod tokens;

use crate::domain::audit::{Action, AuditEvent, Outcome};
use crate::domain::caller::RequestContext;
use crate::domain::ids::EventId;
use crate::domain::json::Json;
use crate::ports::clock::{Clock, Entropy, new_uuid};
use std::sync::Arc;

/// Time and randomness, as every service needs them.
#[derive(Clone)]
pub struct Ambient {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

impl Ambient {
    /// A new version 7 UUID.
    pub fn uuid(&self) -> uuid::Uuid {
        new_uuid(self.clock.as_ref(), self.entropy.as_ref())
    }

    /// An event of this moment that nobody is known to have caused; the rest is filled in by who knows it.
    pub fn event(&self, action: Action, context: &RequestContext) -> AuditEvent {
        let request_id = (!context.request_id.is_empty()).then(|| context.request_id.clone());
        AuditEvent {
            id: EventId::new(self.uuid()),
            timestamp: self.clock.now(),
            agent_id: None,
            owner: None,
            actor: None,
            action,
            outcome: Outcome::Success,
            reason: None,
            ip_address: context.source_ip,
            user_agent: context.user_agent.clone(),
            request_id,
            policy_hash: None,
            metadata: Json::object::<String>([]),
        }
    }
}
