//! Who calls, and with what: the result of authentication.

use super::agent::Agent;
use super::ids::{CredentialId, TokenId};
use super::scope::ScopeSet;
use super::text::closed_set;
use super::token::Claims;
use std::net::IpAddr;

closed_set!(
    /// How the caller proved who it is.
    TokenType {
        Jwt = "jwt",
        Biscuit = "biscuit",
        /// Client authentication, without a token.
        Client = "client",
    }
);

/// An authenticated agent and the rights it came with.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The agent's row at the time of the call.
    pub agent: Agent,
    pub credential_id: CredentialId,
    /// The scopes of the token; for client authentication, those that the agent's capabilities give by default.
    pub scopes: ScopeSet,
    /// The claims of the token used, none for client authentication.
    pub claims: Option<Claims>,
    pub token_type: TokenType,
}

impl Caller {
    /// The id of the token used.
    pub fn token_id(&self) -> Option<TokenId> {
        self.claims.as_ref().map(|claims| claims.id)
    }
}

/// What the audit log keeps of the request itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestContext {
    pub request_id: String,
    /// The client's address, as established by the server; none for the command line.
    pub source_ip: Option<IpAddr>,
    /// The `User-Agent` header, cut to 256 characters.
    pub user_agent: Option<String>,
}

impl RequestContext {
    /// The network that the request came from, for counting: an IPv4 address, or the /64 of an IPv6 one, which is the
    /// least that a customer has.
    pub fn source_network(&self) -> Option<IpAddr> {
        Some(match self.source_ip? {
            IpAddr::V4(ip) => IpAddr::V4(ip),
            IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) & (u128::MAX << 64)).into()),
        })
    }
}
