//! One failure of every code, as the code that really fails words it: the examples of the document.

use super::scopes::Needed;
use crate::http::dto::agent::{agent_change, new_agent};
use crate::http::dto::credential::{expiry, rotation};
use crate::http::error::{Challenge, Code, Failure};
use crate::http::form::{Form, invalid_client};
use crate::http::grants;
use crate::http::middleware::envelope;
use crate::http::middleware::size_limits;
use crate::http::operations::{Body, Operation};
use agentidp_core::domain::agent::AlreadyDecommissioned;
use agentidp_core::domain::credential::InvalidTransition;
use agentidp_core::domain::rate::RateDecision;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::services::agents::AgentError;
use agentidp_core::services::credentials::CredentialError;
use serde_json::{Value, json};
use std::time::Duration;

const REQUEST_ID: &str = "0198c0e2-41a9-7c11-9f00-1a2b3c4d5e6f";

/// The body of a failure.
pub fn body(failure: &Failure, oauth: bool) -> Value {
    envelope::body(failure, oauth, REQUEST_ID)
}

/// A failure with this code.
pub fn of(code: Code, oauth: bool) -> Failure {
    match code {
        Code::Unauthorized => Failure::unauthorized(Challenge::InvalidToken),
        Code::AgentNotActive => CredentialError::AgentNotActive.into(),
        Code::QuotaExceeded if !oauth => AgentError::QuotaExceeded.into(),
        Code::AgentNotFound => AgentError::NotFound.into(),
        Code::CredentialNotFound => CredentialError::NotFound.into(),
        Code::AgentAlreadyExists => AgentError::AlreadyExists.into(),
        Code::AgentAlreadyDecommissioned => AgentError::AlreadyDecommissioned(AlreadyDecommissioned).into(),
        Code::CredentialAlreadyRevoked => CredentialError::Refused(InvalidTransition::AlreadyRevoked).into(),
        Code::CredentialLimitReached => CredentialError::LimitReached.into(),
        Code::PayloadTooLarge => size_limits::too_large(),
        Code::RateLimitExceeded => Failure::limited(used_up()),
        Code::Unavailable => Failure::unavailable("an example"),
        Code::InvalidClient => invalid_client(true),
        Code::UnsupportedGrantType => grants::unsupported(),
        other => Failure::new(other, message(other, oauth)),
    }
}

/// Codes whose failures are made in the midst of a handler.
fn message(code: Code, oauth: bool) -> &'static str {
    match code {
        Code::QuotaExceeded => "the tokens of this month are used up",
        Code::AuditEventNotFound => "there is no such event",
        Code::UnsupportedMediaType if oauth => "the body must be `application/x-www-form-urlencoded` in UTF-8",
        Code::UnsupportedMediaType => "the body must be `application/json` in UTF-8",
        Code::IdempotencyConflict => "this `Idempotency-Key` was used for another request",
        Code::InvalidScope => {
            "a scope is not within the agent's capabilities or the subject token, or there is none to give"
        }
        Code::InvalidTarget => "a `resource` is an absolute URI without a fragment",
        _ => "something went wrong here",
    }
}

/// What `operation` says to a request that is not valid.
pub fn validation(operation: &Operation) -> Failure {
    let now = Timestamp::from_unix_millis(0);
    let refused = match operation.id {
        "registerAgent" => new_agent(json!({"email": "screener", "agentType": "robot", "version": "1.4.0",
            "capabilities": ["applications:read"], "deploymentEnv": "production"}))
        .err(),
        "updateAgent" => agent_change(json!({"status": "decommissioned"})).err(),
        "generateCredential" => expiry(json!({"expiresAt": "1969-07-20T20:17:40Z"}), now).err(),
        "rotateCredential" => rotation(json!({"graceSeconds": 86401}), now).err(),
        "issueToken" => Form::default().required("grant_type").err(),
        _ if operation.body == Body::Form => Form::default().required("token").err(),
        _ if operation.may_be_repeated() => {
            Some(Failure::invalid("Idempotency-Key", "must be 1 to 128 visible ASCII characters"))
        }
        "listAgents" | "listCredentials" | "queryAuditLog" => {
            Some(Failure::invalid("limit", "must be a whole number from 1 to 100"))
        }
        _ => None,
    };
    refused.unwrap_or_else(|| Failure::invalid("Authorization", "must be given once"))
}

/// What is not for this client: a token at all, because of a rule of the policy, or the one to be revoked.
pub fn unauthorized_client(operation: &Operation) -> Failure {
    let message = match operation.id {
        "revokeToken" => "the token belongs to another client",
        _ => "No rule of the policy permits this request.",
    };
    Failure::new(Code::UnauthorizedClient, message)
}

/// What the policy says to a token without the scope.
pub fn forbidden(needed: Needed<'_>) -> Failure {
    let Needed { scope, phrase } = needed;
    Failure {
        missing_scopes: vec![scope.to_owned()],
        ..Failure::new(Code::Forbidden, format!("To {phrase}, the token needs the scope {scope}."))
    }
}

fn used_up() -> RateDecision {
    let wait = Duration::from_secs(1);
    RateDecision { allowed: false, limit: 100, remaining: 0, reset: wait, retry_after: wait }
}
