//! Import of legacy credentials: existing bcrypt hashes go on to work until they are rotated.

use super::Ambient;
use crate::domain::agent::Agent;
use crate::domain::audit::Action;
use crate::domain::caller::RequestContext;
use crate::domain::credential::{Credential, MAX_ACTIVE_CREDENTIALS, SecretRef};
use crate::domain::ids::{AgentId, CredentialId};
use crate::domain::json::Json;
use crate::domain::time::Timestamp;
use crate::ports::storage::{AgentStore, CredentialStore, Journal, StoreError};
use std::sync::Arc;

/// Takes credentials over.
pub struct ImportService {
    pub agents: Arc<dyn AgentStore>,
    pub credentials: Arc<dyn CredentialStore>,
    pub ambient: Ambient,
}

/// A credential to take over.
#[derive(Debug, Clone)]
pub struct LegacyCredential {
    pub agent_id: AgentId,
    /// Its id where it comes from; none makes one of agent and hash.
    pub credential_id: Option<CredentialId>,
    pub secret: SecretRef,
    pub created_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    New(CredentialId),
    /// The agent has or had a credential of this id, or has one with the same hash.
    AlreadyThere(CredentialId),
}

/// Why it was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("there is no agent `{0}`; register it first")]
    UnknownAgent(AgentId),
    #[error("agent `{0}` is not active")]
    NotActive(AgentId),
    #[error("agent `{0}` has {MAX_ACTIVE_CREDENTIALS} active credentials")]
    LimitReached(AgentId),
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

impl ImportService {
    /// Takes one credential over. Doing it again changes nothing.
    ///
    /// # Errors
    /// The agent is unknown or not active, has too many credentials, or the database is away.
    pub async fn import(&self, legacy: LegacyCredential) -> Result<Imported, ImportError> {
        let id = legacy.agent_id;
        let agent = self.active_agent(id).await?;
        if let Some(known) = self.known(&legacy).await? {
            return Ok(Imported::AlreadyThere(known));
        }
        let now = self.ambient.clock.now();
        let credential_id = id_of(&legacy);
        let created_at = legacy.created_at.unwrap_or(now);
        let credential = Credential::new(credential_id, id, legacy.secret, legacy.expires_at, created_at);
        let event = self.ambient.event(Action::CredentialImported, &RequestContext::default());
        let event = event
            .about(id, &agent.owner)
            .with([("credentialId", Json::text(credential_id)), ("backend", Json::text(credential.secret.backend()))]);
        let journal = Journal { event, idempotency: None, write: None };
        match self.credentials.import(&credential, now, &journal).await {
            Ok(()) => Ok(Imported::New(credential_id)),
            Err(StoreError::LimitReached) => Err(ImportError::LimitReached(id)),
            Err(StoreError::Stale) => Err(ImportError::NotActive(id)),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it may be taken over; asked of all credentials before the first of them is.
    ///
    /// # Errors
    /// The agent is unknown or not active, or the database is away.
    pub async fn check(&self, legacy: &LegacyCredential) -> Result<(), ImportError> {
        self.active_agent(legacy.agent_id).await.map(|_| ())
    }

    async fn active_agent(&self, id: AgentId) -> Result<Agent, ImportError> {
        let agent = self.agents.find(id).await?.ok_or(ImportError::UnknownAgent(id))?;
        if agent.is_active() { Ok(agent) } else { Err(ImportError::NotActive(id)) }
    }

    async fn known(&self, legacy: &LegacyCredential) -> Result<Option<CredentialId>, StoreError> {
        let id = id_of(legacy);
        if self.credentials.find(legacy.agent_id, id).await?.is_some() {
            return Ok(Some(id));
        }
        let present = self.credentials.legacy(legacy.agent_id).await?.map(|(_, credentials)| credentials);
        let same = |credential: &Credential| credential.secret == legacy.secret;
        Ok(present.into_iter().flatten().find(same).map(|credential| credential.id))
    }
}

/// The id of the credential. One that is not given is made of the agent and the hash, so that the same line, imported
/// again after the credential was rotated or revoked, meets that credential and does not bring its secret back. The
/// hash holds 184 random bits; folding them keeps two hashes apart as two random UUIDs are.
fn id_of(legacy: &LegacyCredential) -> CredentialId {
    let hash = match (&legacy.credential_id, &legacy.secret) {
        (Some(id), _) => return *id,
        (None, SecretRef::Bcrypt { hash }) => hash.as_str(),
        (None, _) => "",
    };
    let mut bytes = *legacy.agent_id.uuid().as_bytes();
    for (place, byte) in (0..bytes.len()).cycle().zip(hash.bytes()) {
        if let Some(folded) = bytes.get_mut(place) {
            *folded = folded.rotate_left(3) ^ byte;
        }
    }
    CredentialId::new(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}
