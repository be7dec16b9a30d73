//! A JWT becomes a Biscuit (RFC 8693).

use super::access::{AccessRequest, Authorized};
use super::presented::LiveToken;
use super::tokens::{IssueError, IssuedToken, TokenRequest, TokenService, granted, issued};
use crate::domain::audit::Action;
use crate::domain::caller::{Caller, RequestContext, TokenType};
use crate::domain::credential::Credential;
use crate::domain::ids::TokenId;
use crate::domain::json::Json;
use crate::domain::scope::ScopeSet;
use crate::domain::token::Claims;
use crate::ports::policy::PolicyRequest;
use std::collections::BTreeSet;

impl TokenService {
    /// Gives a client a Biscuit for a live JWT of its own: for the same resources, with the same scopes or fewer, and
    /// no longer. Without scopes asked for it has all of the parent's. Its record is durable before it is handed out.
    ///
    /// # Errors
    /// The subject cannot be exchanged, other scopes or resources than it has are asked for, the quota is used up, the
    /// policy refuses or fails, or the database is away.
    pub async fn exchange(
        &self,
        caller: Caller,
        credential: &Credential,
        subject: &str,
        request: TokenRequest,
        access: &AccessRequest,
        context: &RequestContext,
    ) -> Result<IssuedToken, IssueError> {
        let parent = self.subject(&caller, subject, context).await?;
        must_keep(&request.resources, &parent.claims.audience)?;
        let asked = request.scopes.clone().unwrap_or_else(|| parent.claims.scopes.clone());
        let body = PolicyRequest {
            scopes: Some(asked.iter().map(ToString::to_string).collect()),
            resources: Some(parent.claims.audience.clone()),
            ..PolicyRequest::default()
        };
        let access = AccessRequest { body, ..access.clone() };
        let authorized = self.access.authorize(caller, &access, context).await?;
        let within = asked.iter().all(|scope| parent.claims.scopes.contains(scope));
        let scopes = granted(&authorized, &asked, request.scopes.is_some()).filter(|_| within);
        let Some(scopes) = scopes else {
            self.audit.write(self.withheld(&authorized, &asked)).await?;
            return Err(IssueError::InvalidScope);
        };
        let claims = self.derived(&parent, &authorized, scopes).ok_or(IssueError::InvalidSubject)?;
        let text = self.minter.mint(&claims, parent.claims.id)?;
        let event = issued(&authorized, &self.ambient, Action::TokenExchanged, &claims);
        let event = event.with([("parentId", Json::text(parent.claims.id))]);
        self.hand_out(text, claims, event, credential).await
    }

    async fn subject(&self, caller: &Caller, text: &str, context: &RequestContext) -> Result<LiveToken, IssueError> {
        let found = self.presented.live(text).await?.ok_or(IssueError::InvalidSubject)?;
        if found.claims.subject != caller.agent.id {
            // Somebody may have stolen it.
            let event = self.ambient.event(Action::AuthzDenied, context).about(caller.agent.id, &caller.agent.owner);
            let event = event.by(caller).failed("token_of_another_client");
            self.audit.write(event.with([("operation", Json::text("issueToken"))])).await?;
            return Err(IssueError::InvalidSubject);
        }
        if found.token_type() == TokenType::Jwt { Ok(found) } else { Err(IssueError::InvalidSubject) }
    }

    /// The claims of the Biscuit; none if it could not live for a second.
    fn derived(&self, parent: &LiveToken, by: &Authorized, scopes: ScopeSet) -> Option<Claims> {
        let now = self.ambient.clock.now().whole_second();
        // Were its key stolen, a parent could say of itself that it lives for ever.
        let end = parent.claims.expires_at.min(now.after(self.lifetime));
        // A rotation may have brought the end of the credential nearer since.
        let end = parent.standing.credential.expires_at.map_or(end, |expiry| end.min(expiry.whole_second()));
        (end > now).then(|| Claims {
            issued_at: now,
            not_before: now,
            expires_at: end,
            id: TokenId::new(self.ambient.uuid()),
            scopes,
            owner: by.caller.agent.owner.clone(),
            ..parent.claims.clone()
        })
    }
}

/// Whoever names resources must name those of the parent, for the Biscuit is good for them and no other.
fn must_keep(resources: &[String], audience: &[String]) -> Result<(), IssueError> {
    let set = |texts: &[String]| texts.iter().cloned().collect::<BTreeSet<String>>();
    if resources.is_empty() || set(resources) == set(audience) { Ok(()) } else { Err(IssueError::InvalidTarget) }
}
