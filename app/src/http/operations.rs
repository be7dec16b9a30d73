//! The operations of the API: the one table that ties a route to its operationId, its caller and its errors.
//! A test holds it against the OpenAPI document and against the policy's table.

use super::error::{Code, Failure};
use poem::PathPattern;
use poem::Request;

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A bearer token.
    Bearer,
    /// Client authentication.
    Client,
    /// A bearer token or client authentication.
    BearerOrClient,
}

/// What body an operation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    None,
    Json,
    /// JSON, or nothing at all.
    OptionalJson,
    Form,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// The operationId.
    pub id: &'static str,
    pub method: &'static str,
    /// The path's template.
    pub path: &'static str,
    /// How the router writes the template.
    pattern: &'static str,
    pub access: Access,
    pub body: Body,
    /// Errors of its own, beside those that every operation has.
    pub errors: &'static [Code],
}

/// Where the API begins.
pub const PREFIX: &str = "/api/v1";

use Access::{Bearer, BearerOrClient, Client};

const AGENTS: (&str, &str) = ("/api/v1/agents", "/api/v1/agents");
const AGENT: (&str, &str) = ("/api/v1/agents/{agentId}", "/api/v1/agents/:param0");
const CREDENTIALS: (&str, &str) = ("/api/v1/agents/{agentId}/credentials", "/api/v1/agents/:param0/credentials");
const CREDENTIAL: (&str, &str) =
    ("/api/v1/agents/{agentId}/credentials/{credentialId}", "/api/v1/agents/:param0/credentials/:param1");
const ROTATE: (&str, &str) =
    ("/api/v1/agents/{agentId}/credentials/{credentialId}/rotate", "/api/v1/agents/:param0/credentials/:param1/rotate");
const EVENT: (&str, &str) = ("/api/v1/audit/{eventId}", "/api/v1/audit/:param0");

/// Every operation of the API, in the order of the contract.
pub static OPERATIONS: [Operation; 14] = [
    op(
        "registerAgent",
        "POST",
        AGENTS,
        Bearer,
        Body::Json,
        &[Code::AgentAlreadyExists, Code::QuotaExceeded, Code::IdempotencyConflict],
    ),
    op("listAgents", "GET", AGENTS, Bearer, Body::None, &[]),
    op("getAgent", "GET", AGENT, Bearer, Body::None, &[Code::AgentNotFound]),
    op(
        "updateAgent",
        "PATCH",
        AGENT,
        Bearer,
        Body::Json,
        &[Code::AgentNotFound, Code::AgentAlreadyExists, Code::AgentAlreadyDecommissioned, Code::IdempotencyConflict],
    ),
    op(
        "decommissionAgent",
        "DELETE",
        AGENT,
        Bearer,
        Body::None,
        &[Code::AgentNotFound, Code::AgentAlreadyDecommissioned, Code::IdempotencyConflict],
    ),
    op(
        "generateCredential",
        "POST",
        CREDENTIALS,
        Bearer,
        Body::OptionalJson,
        &[Code::AgentNotFound, Code::AgentNotActive, Code::CredentialLimitReached, Code::IdempotencyConflict],
    ),
    op("listCredentials", "GET", CREDENTIALS, Bearer, Body::None, &[Code::AgentNotFound]),
    op(
        "rotateCredential",
        "POST",
        ROTATE,
        Bearer,
        Body::OptionalJson,
        &[
            Code::AgentNotFound,
            Code::CredentialNotFound,
            Code::AgentNotActive,
            Code::CredentialAlreadyRevoked,
            Code::CredentialLimitReached,
            Code::IdempotencyConflict,
        ],
    ),
    op(
        "revokeCredential",
        "DELETE",
        CREDENTIAL,
        Bearer,
        Body::None,
        &[Code::AgentNotFound, Code::CredentialNotFound, Code::CredentialAlreadyRevoked, Code::IdempotencyConflict],
    ),
    op(
        "issueToken",
        "POST",
        ("/api/v1/token", "/api/v1/token"),
        Client,
        Body::Form,
        &[
            Code::InvalidScope,
            Code::InvalidTarget,
            Code::UnsupportedGrantType,
            Code::UnauthorizedClient,
            Code::QuotaExceeded,
        ],
    ),
    op(
        "introspectToken",
        "POST",
        ("/api/v1/token/introspect", "/api/v1/token/introspect"),
        BearerOrClient,
        Body::Form,
        &[],
    ),
    op(
        "revokeToken",
        "POST",
        ("/api/v1/token/revoke", "/api/v1/token/revoke"),
        BearerOrClient,
        Body::Form,
        &[Code::UnauthorizedClient],
    ),
    op("queryAuditLog", "GET", ("/api/v1/audit", "/api/v1/audit"), Bearer, Body::None, &[]),
    op("getAuditEvent", "GET", EVENT, Bearer, Body::None, &[Code::AuditEventNotFound]),
];

const fn op(
    id: &'static str,
    method: &'static str,
    (path, pattern): (&'static str, &'static str),
    access: Access,
    body: Body,
    errors: &'static [Code],
) -> Operation {
    Operation { id, method, path, pattern, access, body, errors }
}

impl Operation {
    /// The operation with this method and router pattern. HEAD is answered as GET.
    pub fn find(method: &str, pattern: &str) -> Option<&'static Self> {
        let method = if method == "HEAD" { "GET" } else { method };
        OPERATIONS.iter().find(|operation| operation.method == method && operation.pattern == pattern)
    }

    /// The operation that the router chose for `request`; known inside a route only.
    pub fn of(request: &Request) -> Option<&'static Self> {
        let pattern = request.data::<PathPattern>()?;
        Self::find(request.method().as_str(), &pattern.0)
    }

    /// What it answers when the policy wants it to look as if there were nothing.
    pub fn not_found(&self) -> Failure {
        match self.path {
            path if path.contains("{agentId}") => Failure::new(Code::AgentNotFound, "there is no such agent"),
            path if path.contains("{eventId}") => Failure::new(Code::AuditEventNotFound, "there is no such event"),
            _ => Failure::new(Code::NotFound, "there is nothing at this path"),
        }
    }

    /// Whether its failures have the OAuth form.
    pub fn is_oauth(&self) -> bool {
        self.body == Body::Form
    }

    /// Whether it takes an `Idempotency-Key`: changes of agents and credentials do.
    pub fn may_be_repeated(&self) -> bool {
        self.method != "GET" && !self.is_oauth()
    }

    /// Every code that the operation can answer with.
    pub fn codes(&self) -> Vec<Code> {
        let mut codes =
            vec![Code::Validation, Code::PayloadTooLarge, Code::RateLimitExceeded, Code::Internal, Code::Unavailable];
        if self.access != Access::Client {
            codes.extend([Code::Unauthorized, Code::Forbidden]);
        }
        if self.access != Access::Bearer {
            codes.push(Code::InvalidClient);
        }
        if self.body != Body::None {
            codes.push(Code::UnsupportedMediaType);
        }
        codes.extend(self.errors);
        codes
    }
}

/// Whether failures at this path have the OAuth form.
pub fn is_oauth_path(path: &str) -> bool {
    OPERATIONS.iter().any(|operation| operation.is_oauth() && operation.path == path)
}

/// The template of a router pattern, for logs and metrics: every pattern is an operation's or has no parameters, but
/// for the prefix, which the router gives for whatever is not there behind it.
pub fn template(pattern: &str) -> Option<&str> {
    let operation = OPERATIONS.iter().find(|operation| operation.pattern == pattern);
    operation.map(|operation| operation.path).or((pattern != PREFIX).then_some(pattern))
}

/// The methods allowed at `path` (a concrete path), as the `Allow` header. A path that is no operation's is one of
/// those outside of the API, which are read only.
pub fn allowed_methods(path: &str) -> String {
    let matches = |template: &str| {
        let (mut left, mut right) = (template.split('/'), path.split('/'));
        loop {
            match (left.next(), right.next()) {
                (None, None) => return true,
                (Some(wanted), Some(given)) if wanted == given || wanted.starts_with('{') => {}
                _ => return false,
            }
        }
    };
    let mut methods: Vec<&str> = OPERATIONS.iter().filter(|op| matches(op.path)).map(|op| op.method).collect();
    if methods.is_empty() {
        methods.push("GET");
    }
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.join(", ")
}
