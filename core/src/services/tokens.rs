//! Tokens: issue (RFC 6749 §4.4), introspect (RFC 7662), revoke (RFC 7009).

use super::Ambient;
use super::access::{AccessError, AccessRequest, AccessService, Authorized};
use super::audit::AuditService;
use super::tally::Kind;
use crate::domain::audit::{Action, AuditEvent};
use crate::domain::caller::{Caller, RequestContext};
use crate::domain::credential::Credential;
use crate::domain::ids::TokenId;
use crate::domain::json::Json;
use crate::domain::scope::ScopeSet;
use crate::domain::time::Timestamp;
use crate::domain::token::{Claims, Standing, generation};
use crate::ports::policy::PolicyRequest;
use crate::ports::storage::{Issue, Revocation, StoreError, TokenStore};
use crate::ports::tokens::{SignError, TokenSigner, TokenText, TokenVerifier};
use std::sync::Arc;
use std::time::Duration;

/// The use-cases of tokens.
pub struct TokenService {
    pub tokens: Arc<dyn TokenStore>,
    pub signer: Arc<dyn TokenSigner>,
    pub verifier: Arc<dyn TokenVerifier>,
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
    #[error("a token for this issuer is for no other resource")]
    InvalidTarget,
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
        self.tokens.record_issue(&self.issue_record(&authorized, credential, &claims)).await?;
        let expires_in = claims.expires_at.since(claims.issued_at);
        Ok(IssuedToken { text, expires_in, scopes: claims.scopes })
    }

    fn withheld(&self, by: &Authorized, asked: &ScopeSet) -> AuditEvent {
        let caller = &by.caller.agent;
        let event = by.event(&self.ambient, Action::AuthzDenied).about(caller.id, &caller.owner);
        event.failed("scope_withheld").with([
            ("operation", Json::text(&by.input.operation)),
            ("scope", Json::text(asked)),
            ("input", by.input.to_json()),
        ])
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
        let now = Timestamp::from_unix_seconds(self.ambient.clock.now().unix_seconds());
        let end = now.after(self.lifetime);
        let end =
            credential.expires_at.map_or(end, |expiry| end.min(Timestamp::from_unix_seconds(expiry.unix_seconds())));
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

    fn issue_record(&self, by: &Authorized, credential: &Credential, claims: &Claims) -> Issue {
        let event = by.event(&self.ambient, Action::TokenIssued).about(claims.subject, &claims.owner).with([
            ("tokenId", Json::text(claims.id)),
            ("scope", Json::text(&claims.scopes)),
            ("audience", Json::texts(&claims.audience)),
            ("expiresAt", Json::text(claims.expires_at)),
        ]);
        let used = credential.use_is_to_be_noted(event.timestamp).then_some(credential.id);
        Issue { event, used, monthly_quota: self.monthly_quota }
    }

    /// The claims of a token that is live and that the caller may ask about; none for every other text.
    ///
    /// # Errors
    /// The database is away.
    pub async fn introspect(&self, by: &Authorized, token: &str) -> Result<Option<Claims>, StoreError> {
        let found = self.live(token).await?;
        let visible = found.filter(|(claims, standing)| self.may_act_on(by, claims, standing));
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
        let Some((claims, standing)) = self.live(token).await? else { return Ok(()) };
        if !self.may_act_on(by, &claims, &standing) {
            self.audit.write(self.refused_revocation(by)).await?;
            return Err(RevokeError::NotYours);
        }
        let event = by.event(&self.ambient, Action::TokenRevoked).about(claims.subject, &standing.agent.owner);
        let event = event.with([("tokenId", Json::text(claims.id)), ("input", by.input.to_json())]);
        let revocation =
            Revocation { token_id: claims.id.to_string(), expires_at: claims.expires_at, at: event.timestamp };
        Ok(self.tokens.revoke(&revocation, &event).await?)
    }

    fn refused_revocation(&self, by: &Authorized) -> AuditEvent {
        let caller = &by.caller.agent;
        let event = by.event(&self.ambient, Action::AuthzDenied).about(caller.id, &caller.owner);
        event.failed("token_of_another_client").with([("operation", Json::text(&by.input.operation))])
    }

    async fn live(&self, token: &str) -> Result<Option<(Claims, Standing)>, StoreError> {
        let Some(claims) = self.verifier.read(token) else { return Ok(None) };
        let ids = [claims.id.to_string()];
        let standing = self.tokens.standing(claims.subject, claims.credential, &ids).await?;
        let now = self.ambient.clock.now();
        Ok(standing.filter(|standing| standing.keeps_alive(&claims, now)).map(|standing| (claims, standing)))
    }

    /// Its own tokens are always a client's to ask about and to take back; others as far as the decision reaches.
    fn may_act_on(&self, by: &Authorized, claims: &Claims, standing: &Standing) -> bool {
        claims.subject == by.caller.agent.id || by.decision.owners.include(Some(&standing.agent.owner))
    }
}

/// What the policy grants of what was asked for; none if nothing is left, or less than was asked for by name.
fn granted(authorized: &Authorized, asked: &ScopeSet, by_name: bool) -> Option<ScopeSet> {
    let scopes = match &authorized.decision.scopes {
        Some(granted) => asked.iter().filter(|scope| granted.contains(scope)).cloned().collect(),
        None => asked.clone(),
    };
    (!scopes.is_empty() && (!by_name || scopes == *asked)).then_some(scopes)
}
