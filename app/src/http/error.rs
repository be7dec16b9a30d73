//! Every failure that a client can meet: one table of codes, one body for the API, one for the OAuth endpoints.

use agentidp_core::domain::rate::RateDecision;
use agentidp_core::ports::Source;
use http::StatusCode;
use std::time::Duration;

/// Declares the codes: variant, status, `code` of the API's body, `error` of the OAuth body (RFC 6749 §5.2).
macro_rules! codes {
    ($($(#[$meta:meta])* $variant:ident = $status:literal, $api:literal, $oauth:literal;)+) => {
        /// What went wrong, as clients tell it apart.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$meta])* $variant),+ }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The status it answers with.
            pub fn status(self) -> StatusCode {
                let status = match self { $(Self::$variant => $status),+ };
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }

            /// `code` in the body of the API.
            pub const fn api(self) -> &'static str {
                match self { $(Self::$variant => $api),+ }
            }

            /// `error` in the body of the three `/token*` endpoints.
            pub const fn oauth(self) -> &'static str {
                match self { $(Self::$variant => $oauth),+ }
            }
        }
    };
}

codes! {
    Validation = 400, "VALIDATION_ERROR", "invalid_request";
    Unauthorized = 401, "UNAUTHORIZED", "invalid_token";
    Forbidden = 403, "FORBIDDEN", "insufficient_scope";
    AgentNotActive = 403, "AGENT_NOT_ACTIVE", "invalid_request";
    QuotaExceeded = 403, "QUOTA_EXCEEDED", "quota_exceeded";
    AgentNotFound = 404, "AGENT_NOT_FOUND", "invalid_request";
    CredentialNotFound = 404, "CREDENTIAL_NOT_FOUND", "invalid_request";
    AuditEventNotFound = 404, "AUDIT_EVENT_NOT_FOUND", "invalid_request";
    NotFound = 404, "NOT_FOUND", "invalid_request";
    MethodNotAllowed = 405, "METHOD_NOT_ALLOWED", "invalid_request";
    AgentAlreadyExists = 409, "AGENT_ALREADY_EXISTS", "invalid_request";
    AgentAlreadyDecommissioned = 409, "AGENT_ALREADY_DECOMMISSIONED", "invalid_request";
    CredentialAlreadyRevoked = 409, "CREDENTIAL_ALREADY_REVOKED", "invalid_request";
    CredentialLimitReached = 409, "CREDENTIAL_LIMIT_REACHED", "invalid_request";
    PayloadTooLarge = 413, "PAYLOAD_TOO_LARGE", "invalid_request";
    /// The limit of all that is not the body has no code of its own.
    HeadersTooLarge = 431, "PAYLOAD_TOO_LARGE", "invalid_request";
    UnsupportedMediaType = 415, "UNSUPPORTED_MEDIA_TYPE", "invalid_request";
    IdempotencyConflict = 422, "IDEMPOTENCY_CONFLICT", "invalid_request";
    RateLimitExceeded = 429, "RATE_LIMIT_EXCEEDED", "rate_limit_exceeded";
    Internal = 500, "INTERNAL_SERVER_ERROR", "server_error";
    Unavailable = 503, "SERVICE_UNAVAILABLE", "temporarily_unavailable";
    /// The client did not authenticate. OAuth endpoints only, like the rest of the table.
    InvalidClient = 401, "UNAUTHORIZED", "invalid_client";
    InvalidScope = 400, "VALIDATION_ERROR", "invalid_scope";
    InvalidTarget = 400, "VALIDATION_ERROR", "invalid_target";
    UnsupportedGrantType = 400, "VALIDATION_ERROR", "unsupported_grant_type";
    UnauthorizedClient = 400, "FORBIDDEN", "unauthorized_client";
}

/// One invalid field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    pub field: String,
    pub message: String,
}

/// The challenge of a 401 (RFC 9110 §11.6.1, RFC 6750 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// No token was sent.
    Bearer,
    /// A token was sent and is not valid.
    InvalidToken,
    /// The client tried HTTP Basic.
    Basic,
}

/// A failure on its way to the client. `message` is for people and never says anything internal; `cause` is for the
/// log and never leaves the server.
#[derive(Debug)]
pub struct Failure {
    pub code: Code,
    pub message: String,
    pub fields: Vec<FieldError>,
    pub missing_scopes: Vec<String>,
    pub challenge: Option<Challenge>,
    pub retry_after: Option<Duration>,
    pub allow: Option<String>,
    pub cause: Option<Source>,
    /// The row moved between decision and change: the request may be decided again.
    pub stale: bool,
}

impl Failure {
    /// A failure that says `message`.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            fields: Vec::new(),
            missing_scopes: Vec::new(),
            challenge: None,
            retry_after: None,
            allow: None,
            cause: None,
            stale: false,
        }
    }

    /// All invalid fields at once.
    pub fn validation(fields: Vec<FieldError>) -> Self {
        Self { fields, ..Self::new(Code::Validation, "the request is not valid") }
    }

    /// One invalid field.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::validation(vec![FieldError { field: field.to_owned(), message: message.into() }])
    }

    /// "I do not know": a dependency is away.
    pub fn unavailable(cause: impl Into<Source>) -> Self {
        Self {
            retry_after: Some(Duration::from_secs(1)),
            cause: Some(cause.into()),
            ..Self::new(Code::Unavailable, "the service cannot answer at the moment, try again")
        }
    }

    /// The row moved on between the decision and the change.
    pub fn stale() -> Self {
        Self { stale: true, ..Self::unavailable("the row kept changing while the request was decided") }
    }

    /// The limit is reached.
    pub fn limited(decision: RateDecision) -> Self {
        Self {
            retry_after: Some(decision.retry_after),
            ..Self::new(Code::RateLimitExceeded, "too many requests, try again later")
        }
    }

    /// No valid token.
    pub fn unauthorized(challenge: Challenge) -> Self {
        let message = match challenge {
            Challenge::InvalidToken => "the access token is not valid",
            _ => "this needs an access token: `Authorization: Bearer …`",
        };
        Self { challenge: Some(challenge), ..Self::new(Code::Unauthorized, message) }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for poem::Error {
    fn from(failure: Failure) -> Self {
        let status = failure.code.status();
        Self::new(failure, status)
    }
}

/// Failures are documented from the table of operations, not from handlers' types.
impl poem_openapi::ApiResponse for Failure {
    fn meta() -> poem_openapi::registry::MetaResponses {
        poem_openapi::registry::MetaResponses { responses: Vec::new() }
    }

    fn register(_: &mut poem_openapi::registry::Registry) {}
}
