//! Bodies of the OAuth endpoints.

use crate::http::grants::BISCUIT;
use agentidp_core::domain::token::Claims;
use agentidp_core::services::tokens::IssuedToken;
use poem_openapi::Object;
use serde_json::Value;

/// The answer to a token request (RFC 6749 §5.1, RFC 8693 §2.2.1).
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct TokenResponse {
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds until the token ends.
    pub expires_in: u64,
    /// What the token may do, space-separated.
    pub scope: String,
    /// What kind of token an exchange gave; not there otherwise.
    pub issued_token_type: Option<String>,
}

/// What is known of a token (RFC 7662 §2.2). All but `active` only of a live token that the caller may ask about.
#[derive(Debug, Object, Default)]
#[oai(skip_serializing_if_is_none)]
pub struct IntrospectionResponse {
    pub active: bool,
    pub sub: Option<String>,
    pub client_id: Option<String>,
    pub scope: Option<String>,
    pub token_type: Option<String>,
    pub iss: Option<String>,
    /// One audience as a string, several as a list.
    pub aud: Option<Value>,
    pub iat: Option<i64>,
    pub nbf: Option<i64>,
    pub exp: Option<i64>,
    pub jti: Option<String>,
    pub owner: Option<String>,
}

impl From<IssuedToken> for TokenResponse {
    fn from(token: IssuedToken) -> Self {
        Self {
            access_token: token.text.0,
            token_type: "Bearer".to_owned(),
            expires_in: token.expires_in.as_secs(),
            scope: token.scopes.to_string(),
            issued_token_type: None,
        }
    }
}

impl TokenResponse {
    /// The answer to an exchange.
    pub fn biscuit(token: IssuedToken) -> Self {
        Self { issued_token_type: Some(BISCUIT.to_owned()), ..Self::from(token) }
    }
}

impl From<Option<Claims>> for IntrospectionResponse {
    fn from(claims: Option<Claims>) -> Self {
        let Some(claims) = claims else { return Self::default() };
        let audience = match claims.audience.as_slice() {
            [one] => Value::String(one.clone()),
            many => Value::Array(many.iter().cloned().map(Value::String).collect()),
        };
        Self {
            active: true,
            sub: Some(claims.subject.to_string()),
            client_id: Some(claims.subject.to_string()),
            scope: Some(claims.scopes.to_string()),
            token_type: Some("Bearer".to_owned()),
            iss: Some(claims.issuer),
            aud: Some(audience),
            iat: Some(claims.issued_at.unix_seconds()),
            nbf: Some(claims.not_before.unix_seconds()),
            exp: Some(claims.expires_at.unix_seconds()),
            jti: Some(claims.id.to_string()),
            owner: Some(claims.owner.to_string()),
        }
    }
}
