//! Tokens: issue (RFC 6749 §4.4), introspect (RFC 7662), revoke (RFC 7009). The exchange stands in its own file.

use super::Ambient;
use super::access::{AccessError, AccessRequest, AccessService, Authorized};
use super::audit::AuditService;
use super::presented::{LiveToken, PresentedTokens};
use super::tally::Kind;
use crate::domain::audit::{Action, AuditEvent};
use crate::domain::caller::{Caller, RequestContext};
use crate::domain::credential::Credential;
use crate::domain::ids::TokenId;
use crate::domain::json::Json;
use crate::domain::scope::ScopeSet;
use crate::domain::token::{Claims, generation};
use crate::ports::biscuits::{BiscuitMinter, RequestFacts, Undecided};
use crate::ports::policy::PolicyRequest;
use crate::ports::storage::{Issue, Revocation, StoreError, TokenStore};
use crate::ports::tokens::{SignError, TokenSigner, TokenText};
use std::sync::Arc;
use std::time::Duration;

/// The use-cases of tokens.
pub struct TokenService {
    pub tokens: Arc<dyn TokenStore>,
    pub signer: Arc<dyn TokenSigner>,
    pub minter: Arc<dyn BiscuitMinter>,
    pub presented: Arc<PresentedTokens>,
    pub access: Arc<AccessService>,
    pub audit: Arc<AuditService>,
    pub ambient: Ambient,
    pub issuer: String,
    pub lifetime: Duration,
    /// Most tokens of a client in a calendar month; none: no limit.
    pub monthly_quota: Option<u32>,
}

/// What a token request asks for.
#[derive(Debug, Clone, Default)]
pub struct TokenRequest {
    /// None: the default of the agent's capabilities.
    pub scopes: Option<ScopeSet>,
    /// Resource indicators (RFC 8707); none: the issuer.
    pub resources: Vec<String>,
}

/// An issued token.
#[derive(Debug)]
pub struct IssuedToken {
    pub text: TokenText,
    pub expires_in: Duration,
    pub scopes: ScopeSet,
}

/// Why no token is issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error("a scope asked for is not within the capabilities of the agent, or there is none to give")]
    InvalidScope,
    #[error("a token for this issuer is for no other resource, and one that is exchanged keeps its resources")]
    InvalidTarget,
    /// What is to be exchanged is no live JWT of the client.
    #[error("the subject token cannot be exchanged")]
    InvalidSubject,
    /// The credential came to its end after it was authenticated.
    #[error("the credential has expired")]
    CredentialExpired,
    #[error("the tokens of this month are used up")]
    QuotaExceeded,
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error(transparent)]
    Unavailable(StoreError),
}

impl From<StoreError> for IssueError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LimitReached => Self::QuotaExceeded,
            other => Self::Unavailable(other),
        }
    }
}

/// What is asked about a token, for the checks of a Biscuit. A check on what is not asked fails.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    pub resource: Option<String>,
    pub target: Option<String>,
}

/// Why nothing is said about a token.
#[derive(Debug, thiserror::Error)]
pub enum IntrospectError {
    #[error(transparent)]
    Undecided(#[from] Undecided),
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// Why a token is not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    #[error("the token belongs to another client")]
    NotYours,
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

impl TokenService {
    /// Issues a token to an authenticated client. Its record is durable before the token is handed out.
    ///
    /// # Errors
    /// A scope or resource may not be had, the quota is used up, the policy refuses or fails, or the database is away.
    pub async fn issue(
        &self,
        caller: Caller,
        credential: &Credential,
        request: TokenRequest,
        access: &AccessRequest,
        context: &RequestContext,
    ) -> Result<IssuedToken, IssueError> {
        let audience = self.audience(&request.resources)?;
        let asked = request.scopes.clone().unwrap_or_else(|| caller.scopes.clone());
        let body = PolicyRequest {
            scopes: Some(asked.iter().map(ToString::to_string).collect()),
            resources: Some(audience.clone()),
            ..PolicyRequest::default()
        };
        let access = AccessRequest { body, ..access.clone() };
        let authorized = self.access.authorize(caller, &access, context).await?;
        let Some(scopes) = granted(&authorized, &asked, request.scopes.is_some()) else {
            self.audit.write(self.withheld(&authorized, &asked)).await?;
            return Err(IssueError::InvalidScope);
        };
        let Some(claims) = self.claims(&authorized, credential, audience, scopes) else {
            self.access.note_failure("credential_expired", Some(&authorized.caller.agent), context).await?;
            return Err(IssueError::CredentialExpired);
        };
        let text = self.signer.sign(&claims)?;
        let event = issued(&authorized, &self.ambient, Action::TokenIssued, &claims);
        self.hand_out(text, claims, event, credential).await
    }

    /// Records the issue and hands the token out.
    pub(super) async fn hand_out(
        &self,
        text: TokenText,
        claims: Claims,
        event: AuditEvent,
        credential: &Credential,
    ) -> Result<IssuedToken, IssueError> {
        let used = credential.use_is_to_be_noted(event.timestamp).then_some(credential.id);
        self.tokens.record_issue(&Issue { event, used, monthly_quota: self.monthly_quota }).await?;
        let expires_in = claims.expires_at.since(claims.issued_at);
        Ok(IssuedToken { text, expires_in, scopes: claims.scopes })
    }

    pub(super) fn withheld(&self, by: &Authorized, asked: &ScopeSet) -> AuditEvent {
        let caller = &by.caller.agent;
        let event = by.event(&self.ambient, Action::AuthzDenied).about(caller.id, &caller.owner);
        event
            .failed("scope_withheld")
            .with([("operation", Json::text(&by.input.operation)), ("scope", Json::text(asked))])
            .with(by.decided())
    }

    fn audience(&self, resources: &[String]) -> Result<Vec<String>, IssueError> {
        let mut audience: Vec<String> = Vec::new();
        for resource in resources {
            if !audience.contains(resource) {
                audience.push(resource.clone());
            }
        }
        match audience.len() {
            0 => Ok(vec![self.issuer.clone()]),
            1 => Ok(audience),
            // Another audience could replay the token here.
            _ if audience.contains(&self.issuer) => Err(IssueError::InvalidTarget),
            _ => Ok(audience),
        }
    }

    /// The claims of the token; none if it could not live for a second.
    fn claims(
        &self,
        by: &Authorized,
        credential: &Credential,
        audience: Vec<String>,
        scopes: ScopeSet,
    ) -> Option<Claims> {
        let now = self.ambient.clock.now().whole_second();
        let end = now.after(self.lifetime);
        let end = credential.expires_at.map_or(end, |expiry| end.min(expiry.whole_second()));
        (end > now).then(|| Claims {
            issuer: self.issuer.clone(),
            subject: by.caller.agent.id,
            audience,
            issued_at: now,
            not_before: now,
            expires_at: end,
            id: TokenId::new(self.ambient.uuid()),
            scopes,
            owner: by.caller.agent.owner.clone(),
            credential: credential.id,
            generation: generation(&by.caller.agent, credential),
        })
    }

    /// The claims of a token that is live and that the caller may ask about, with the scopes that it has for what is
    /// asked; none for every other text, and for a token that has no scope then.
    ///
    /// # Errors
    /// The database is away, or the checks of a Biscuit came to no end.
    pub async fn introspect(
        &self,
        by: &Authorized,
        token: &str,
        question: Question,
    ) -> Result<Option<Claims>, IntrospectError> {
        let found = self.presented.live(token).await?;
        let visible = match found.filter(|token| self.may_act_on(by, token)) {
            Some(token) => self.effective(&token, question)?.map(|claims| (claims, token.standing)),
            None => None,
        };
        let (event, subject) = match &visible {
            Some((claims, standing)) => {
                let event =
                    by.event(&self.ambient, Action::TokenIntrospected).about(claims.subject, &standing.agent.owner);
                (event.with([("tokenId", Json::text(claims.id))]), claims.subject.to_string())
            }
            None => {
                let caller = &by.caller.agent;
                let event = by.event(&self.ambient, Action::TokenIntrospected).about(caller.id, &caller.owner);
                (event.failed("inactive"), String::new())
            }
        };
        let kind = Kind::of([Action::TokenIntrospected.as_str(), &by.caller.agent.id.to_string(), &subject]);
        self.audit.write_counted(kind, event).await?;
        Ok(visible.map(|(claims, _)| claims))
    }

    /// Takes a live token back; any other text is none to take back.
    ///
    /// # Errors
    /// The live token is someone else's, out of the caller's reach, or the database is away.
    pub async fn revoke(&self, by: &Authorized, token: &str) -> Result<(), RevokeError> {
        let Some(token) = self.presented.live(token).await? else { return Ok(()) };
        if !self.may_act_on(by, &token) {
            self.audit.write(self.refused_revocation(by)).await?;
            return Err(RevokeError::NotYours);
        }
        let (claims, standing) = (&token.claims, &token.standing);
        let event = by.event(&self.ambient, Action::TokenRevoked).about(claims.subject, &standing.agent.owner);
        let event = event.with([("tokenId", Json::text(claims.id))]).with(by.decided());
        let revocation =
            Revocation { token_id: token.revocation_id(), expires_at: claims.expires_at, at: event.timestamp };
        Ok(self.tokens.revoke(&revocation, &event).await?)
    }

    fn refused_revocation(&self, by: &Authorized) -> AuditEvent {
        let caller = &by.caller.agent;
        let event = by.event(&self.ambient, Action::AuthzDenied).about(caller.id, &caller.owner);
        let event = event.failed("token_of_another_client").with([("operation", Json::text(&by.input.operation))]);
        event.with(by.decided())
    }

    fn effective(&self, token: &LiveToken, question: Question) -> Result<Option<Claims>, Undecided> {
        let Question { resource, target } = question;
        let facts = RequestFacts { operation: None, target, resource, time: self.ambient.clock.now() };
        let scopes = token.scopes(&facts)?;
        Ok((!scopes.is_empty()).then(|| Claims { scopes, ..token.claims.clone() }))
    }

    /// Its own tokens are always a client's to ask about and to take back; others as far as the decision reaches.
    fn may_act_on(&self, by: &Authorized, token: &LiveToken) -> bool {
        let owner = &token.standing.agent.owner;
        token.claims.subject == by.caller.agent.id || by.decision.owners.include(Some(owner))
    }
}

/// The event of an issue, with what was issued.
pub(super) fn issued(by: &Authorized, ambient: &Ambient, action: Action, claims: &Claims) -> AuditEvent {
    by.event(ambient, action).about(claims.subject, &claims.owner).with(by.decided()).with([
        ("tokenId", Json::text(claims.id)),
        ("scope", Json::text(&claims.scopes)),
        ("audience", Json::texts(&claims.audience)),
        ("expiresAt", Json::text(claims.expires_at)),
    ])
}

/// What the policy grants of what was asked for; none if nothing is left, or less than was asked for by name.
pub(super) fn granted(authorized: &Authorized, asked: &ScopeSet, by_name: bool) -> Option<ScopeSet> {
    let scopes = match &authorized.decision.scopes {
        Some(granted) => asked.iter().filter(|scope| granted.contains(scope)).cloned().collect(),
        None => asked.clone(),
    };
    (!scopes.is_empty() && (!by_name || scopes == *asked)).then_some(scopes)
}
