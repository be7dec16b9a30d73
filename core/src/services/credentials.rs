//! Credentials: generate, list, rotate, revoke, import.

use super::Ambient;
use super::access::Authorized;
use super::custody::Custody;
use crate::domain::agent::Agent;
use crate::domain::audit::{Action, AuditEvent};
use crate::domain::credential::{Credential, CredentialStatus, InvalidTransition, MAX_ACTIVE_CREDENTIALS, Rotation};
use crate::domain::idempotency::Once;
use crate::domain::ids::CredentialId;
use crate::domain::json::Json;
use crate::domain::page::{Page, PageRequest};
use crate::domain::secret::IssuedSecret;
use crate::domain::time::Timestamp;
use crate::ports::clock::Entropy;
use crate::ports::custody::CustodyError;
use crate::ports::secrets::{SecretError, SecretOwner};
use crate::ports::storage::{CredentialStore, Journal, StoreError};
use std::sync::Arc;

/// The use-cases of credentials.
pub struct CredentialService {
    pub credentials: Arc<dyn CredentialStore>,
    pub custody: Arc<Custody>,
    pub ambient: Ambient,
}

/// A credential and its secret, which is shown this once.
#[derive(Debug)]
pub struct WithSecret {
    pub credential: Credential,
    pub secret: IssuedSecret,
}

/// Why a use-case of credentials fails.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    #[error("no such agent")]
    AgentNotFound,
    #[error("no such credential")]
    NotFound,
    #[error("the agent is not active")]
    AgentNotActive,
    #[error(transparent)]
    Refused(#[from] InvalidTransition),
    #[error("the agent has {MAX_ACTIVE_CREDENTIALS} active credentials")]
    LimitReached,
    /// The agent or the credential changed after the policy decided; decide again.
    #[error("the credential has changed since the decision")]
    Stale,
    /// The idempotency key was used meanwhile; look again.
    #[error("the idempotency key is in use")]
    Replayed,
    #[error(transparent)]
    Secrets(#[from] SecretError),
    #[error(transparent)]
    Unavailable(StoreError),
}

impl From<StoreError> for CredentialError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LimitReached => Self::LimitReached,
            StoreError::Stale => Self::Stale,
            StoreError::Replayed => Self::Replayed,
            other => Self::Unavailable(other),
        }
    }
}

impl From<CustodyError> for CredentialError {
    fn from(error: CustodyError) -> Self {
        match error {
            CustodyError::Secrets(error) => Self::Secrets(error),
            CustodyError::Store(error) => error.into(),
        }
    }
}

impl CredentialService {
    /// Makes a new credential of the agent that the policy looked at.
    ///
    /// # Errors
    /// The agent is not active or has too many, or a backend is away.
    pub async fn generate(
        &self,
        by: &Authorized,
        expires_at: Option<Timestamp>,
        once: Option<Once<'_, Credential>>,
    ) -> Result<WithSecret, CredentialError> {
        let agent = active_agent(by)?;
        self.should_have_room(agent).await?;
        let id = CredentialId::new(self.ambient.uuid());
        let secret = new_secret(id, self.ambient.entropy.as_ref());
        let kept = self.custody.keep(owner(agent, id), None, &secret).await?;
        let credential = Credential::new(id, agent.id, kept.at, expires_at, self.ambient.clock.now());
        let event = self.event(by, Action::CredentialGenerated, agent, &credential);
        let journal = Journal { write: kept.write, ..self.journal(event, once, &credential) };
        let added = self.credentials.insert(&credential, agent.revision, MAX_ACTIVE_CREDENTIALS, &journal).await;
        self.custody.ended(kept.write, added).await?;
        Ok(WithSecret { credential, secret })
    }

    /// A page of the agent's credentials.
    ///
    /// # Errors
    /// The database is away.
    pub async fn list(
        &self,
        by: &Authorized,
        status: Option<CredentialStatus>,
        page: PageRequest,
    ) -> Result<Page<Credential>, CredentialError> {
        let agent = agent(by)?;
        Ok(self.credentials.list(agent.id, status, self.ambient.clock.now(), page).await?)
    }

    /// Replaces the secret of a credential; a legacy one moves to the configured backend.
    ///
    /// # Errors
    /// The agent is not active, the credential is revoked, or has expired and gets no new expiry or comes back beside too
    /// many others, or a backend is away.
    pub async fn rotate(
        &self,
        by: &Authorized,
        id: CredentialId,
        rotation: Rotation,
        once: Option<Once<'_, Credential>>,
    ) -> Result<WithSecret, CredentialError> {
        let before = self.find(by, id).await?;
        let agent = active_agent(by)?;
        let now = self.ambient.clock.now();
        before.may_rotate(&rotation, now)?;
        if before.status(now) == CredentialStatus::Expired {
            self.should_have_room(agent).await?;
        }
        let secret = new_secret(id, self.ambient.entropy.as_ref());
        let kept = self.custody.keep(owner(agent, id), Some(before.revision), &secret).await?;
        let from = before.secret.backend();
        let after = before.rotate(kept.at, &rotation, now)?;
        let event = self.event(by, Action::CredentialRotated, agent, &after).with([
            ("fromBackend", Json::text(from)),
            ("graceUntil", after.grace_until(now).into()),
            ("voidTokens", Json::Bool(rotation.void_tokens)),
        ]);
        let journal = Journal { write: kept.write, ..self.journal(event, once, &after) };
        let changed = self.credentials.update(&after, Some(agent.revision), &journal).await;
        self.custody.ended(kept.write, changed).await?;
        Ok(WithSecret { credential: after, secret })
    }

    /// Ends a credential and with it the tokens obtained with it.
    ///
    /// # Errors
    /// It is revoked already, or the database is away.
    pub async fn revoke(
        &self,
        by: &Authorized,
        id: CredentialId,
        once: Option<Once<'_, Credential>>,
    ) -> Result<(), CredentialError> {
        let agent = agent(by)?;
        let after = self.find(by, id).await?.revoke(self.ambient.clock.now())?;
        let event = self.event(by, Action::CredentialRevoked, agent, &after);
        let journal = self.journal(event, once, &after);
        // Database first: the revocation counts from here, whatever becomes of the secret outside.
        self.credentials.update(&after, None, &journal).await?;
        self.custody.clear(agent.id).await;
        Ok(())
    }

    /// Refuses what the database would refuse after the secret was written outside, so that nothing is. Others may come in
    /// between: the database decides. A digest is written nowhere else, and costs no question.
    async fn should_have_room(&self, agent: &Agent) -> Result<(), CredentialError> {
        if !self.custody.writes_outside() {
            return Ok(());
        }
        let now = self.ambient.clock.now();
        let active = self.credentials.list(agent.id, Some(CredentialStatus::Active), now, PageRequest::FIRST).await?;
        let has_room = usize::try_from(MAX_ACTIVE_CREDENTIALS).is_ok_and(|most| active.items.len() < most);
        if has_room { Ok(()) } else { Err(CredentialError::LimitReached) }
    }

    async fn find(&self, by: &Authorized, id: CredentialId) -> Result<Credential, CredentialError> {
        self.credentials.find(agent(by)?.id, id).await?.ok_or(CredentialError::NotFound)
    }

    fn event(&self, by: &Authorized, action: Action, agent: &Agent, credential: &Credential) -> AuditEvent {
        by.change_event(&self.ambient, action, agent).with([
            ("credentialId", Json::text(credential.id)),
            ("backend", Json::text(credential.secret.backend())),
            ("expiresAt", credential.expires_at.into()),
        ])
    }

    fn journal(&self, event: AuditEvent, once: Option<Once<'_, Credential>>, result: &Credential) -> Journal {
        Journal { event, idempotency: once.map(|once| once.record(result, self.ambient.clock.now())), write: None }
    }
}

/// Draws the secret of a credential.
pub fn new_secret(id: CredentialId, entropy: &dyn Entropy) -> IssuedSecret {
    IssuedSecret::generate(id, || {
        let mut byte = [0_u8; 1];
        entropy.fill(&mut byte);
        let [byte] = byte;
        byte
    })
}

fn owner(agent: &Agent, id: CredentialId) -> SecretOwner {
    SecretOwner { agent_id: agent.id, credential_id: id }
}

fn agent(by: &Authorized) -> Result<&Agent, CredentialError> {
    by.resource.as_ref().ok_or(CredentialError::AgentNotFound)
}

fn active_agent(by: &Authorized) -> Result<&Agent, CredentialError> {
    agent(by)?.is_active().then_some(()).ok_or(CredentialError::AgentNotActive)?;
    agent(by)
}
