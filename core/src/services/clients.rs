//! Client authentication (RFC 6749 §2.3.1): a client id and a secret become a caller.

use super::Ambient;
use super::access::AccessService;
use super::freshness::Freshness;
use crate::domain::agent::{Agent, AgentStatus};
use crate::domain::caller::{Caller, RequestContext, TokenType};
use crate::domain::credential::{Backend, Credential, CredentialStatus, SecretRef};
use crate::domain::ids::{AgentId, CredentialId};
use crate::domain::secret::PresentedSecret;
use crate::ports::secrets::{SecretError, SecretVerifier};
use crate::ports::storage::{AgentStore, CredentialStore, StoreError, TokenStore};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A bcrypt hash of cost 10 that no known secret has.
pub const NOBODYS_HASH: &str = "$2b$10$.....................................................";

/// Authenticates clients by their secrets.
pub struct ClientService {
    pub agents: Arc<dyn AgentStore>,
    pub credentials: Arc<dyn CredentialStore>,
    pub tokens: Arc<dyn TokenStore>,
    pub verifier: Arc<dyn SecretVerifier>,
    pub access: Arc<AccessService>,
    pub legacy: Arc<LegacyPresence>,
    pub freshness: Arc<Freshness>,
    pub ambient: Ambient,
}

/// Whether any legacy (bcrypt) credential is still in use. While none is, a secret of another form than those made
/// here is refused before any look-up.
#[derive(Debug, Default)]
pub struct LegacyPresence(AtomicBool);

impl LegacyPresence {
    /// What is known.
    pub fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Learns it anew from the database.
    ///
    /// # Errors
    /// The database is away; what was known stays.
    pub async fn refresh(&self, credentials: &dyn CredentialStore, ambient: &Ambient) -> Result<(), StoreError> {
        let there = credentials.uses_legacy(ambient.clock.now()).await?;
        self.0.store(there, Ordering::Relaxed);
        Ok(())
    }
}

/// Why a client is not authenticated. To the client every failure is the same.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("client authentication failed")]
    Failed,
    #[error(transparent)]
    Secrets(#[from] SecretError),
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// A failure with what only the audit log learns.
struct Failure {
    reason: &'static str,
    agent: Option<Agent>,
}

type Found<T> = Result<Result<T, Failure>, ClientError>;

impl ClientService {
    /// The caller that holds `secret`. A failure is recorded with its reason.
    ///
    /// # Errors
    /// The client does not authenticate, or nothing is known because the database or a secrets backend is away.
    pub async fn authenticate(
        &self,
        client_id: &str,
        secret: &PresentedSecret,
        context: &RequestContext,
    ) -> Result<(Caller, Credential), ClientError> {
        self.freshness.check()?;
        match self.find(client_id, secret).await? {
            Ok((agent, credential)) => Ok((self.caller(agent, &credential), credential)),
            Err(failure) => {
                self.access.note_failure(failure.reason, failure.agent.as_ref(), context).await?;
                Err(ClientError::Failed)
            }
        }
    }

    /// Notes that the credential was used for something that issues no token; an issue is noted with its own record.
    ///
    /// # Errors
    /// The database is away.
    pub async fn note_use(&self, credential: &Credential) -> Result<(), StoreError> {
        let now = self.ambient.clock.now();
        if credential.use_is_to_be_noted(now) { self.tokens.note_use(credential.id, now).await } else { Ok(()) }
    }

    async fn find(&self, client_id: &str, secret: &PresentedSecret) -> Found<(Agent, Credential)> {
        let legacy = secret.credential().is_none() && self.legacy.is_there() && secret.may_be_legacy();
        if secret.credential().is_none() && !legacy {
            return Ok(Err(Failure { reason: "malformed_secret", agent: None }));
        }
        match (secret.credential(), client_id.parse::<AgentId>().ok()) {
            (Some(credential), Some(id)) => self.find_issued(id, credential, secret).await,
            (Some(_), None) => Ok(Err(Failure { reason: "unknown_client", agent: None })),
            (None, id) => self.find_legacy(id, secret).await,
        }
    }

    async fn find_issued(
        &self,
        id: AgentId,
        credential: CredentialId,
        secret: &PresentedSecret,
    ) -> Found<(Agent, Credential)> {
        let Some(standing) = self.tokens.standing(id, credential, &[]).await? else {
            return Ok(Err(self.unknown(id).await?));
        };
        if let Err(failure) = self.may_authenticate(&standing.agent, &standing.credential) {
            return Ok(Err(failure));
        }
        if self.matches(&standing.credential, secret, false).await? {
            return Ok(Ok((standing.agent, standing.credential)));
        }
        Ok(Err(Failure { reason: "bad_secret", agent: Some(standing.agent) }))
    }

    /// Every refusal costs a hash, whatever is known of the client: who is unknown waits in the same queue as who is
    /// not, and is told the same when it is full.
    async fn find_legacy(&self, id: Option<AgentId>, secret: &PresentedSecret) -> Found<(Agent, Credential)> {
        let known = match id {
            Some(id) => self.credentials.legacy(id).await?,
            None => None,
        };
        let reason = match &known {
            None => Some("unknown_client"),
            Some((agent, credentials)) => against(agent).or(credentials.is_empty().then_some("bad_secret")),
        };
        let (agent, credentials) = match (reason, known) {
            (None, Some(known)) => known,
            (reason, known) => {
                self.verifier.verify(&SecretRef::Bcrypt { hash: NOBODYS_HASH.to_owned() }, secret).await?;
                let agent = known.map(|(agent, _)| agent);
                return Ok(Err(Failure { reason: reason.unwrap_or("unknown_client"), agent }));
            }
        };
        let mut reason = "bad_secret";
        for credential in credentials {
            if self.matches(&credential, secret, true).await? {
                match self.may_authenticate(&agent, &credential) {
                    Ok(()) => return Ok(Ok((agent, credential))),
                    Err(failure) => reason = failure.reason,
                }
            }
        }
        Ok(Err(Failure { reason, agent: Some(agent) }))
    }

    /// Whether `secret` is one that works for the credential. A secret made here never meets bcrypt, and a legacy one
    /// meets nothing else.
    async fn matches(
        &self,
        credential: &Credential,
        secret: &PresentedSecret,
        legacy: bool,
    ) -> Result<bool, SecretError> {
        for at in credential.working_secrets(self.ambient.clock.now()) {
            if (at.backend() == Backend::Bcrypt) == legacy && self.verifier.verify(at, secret).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn unknown(&self, id: AgentId) -> Result<Failure, StoreError> {
        let agent = self.agents.find(id).await?;
        let reason = if agent.is_some() { "unknown_credential" } else { "unknown_client" };
        Ok(Failure { reason, agent })
    }

    fn may_authenticate(&self, agent: &Agent, credential: &Credential) -> Result<(), Failure> {
        let now = self.ambient.clock.now();
        let reason = against(agent).or(match credential.status(now) {
            CredentialStatus::Revoked => Some("credential_revoked"),
            CredentialStatus::Expired => Some("credential_expired"),
            CredentialStatus::Active if !credential.outlasts_this_second(now) => Some("credential_expired"),
            CredentialStatus::Active => None,
        });
        reason.map_or(Ok(()), |reason| Err(Failure { reason, agent: Some(agent.clone()) }))
    }

    fn caller(&self, agent: Agent, credential: &Credential) -> Caller {
        let scopes = agent.capabilities.default_scopes();
        Caller { agent, credential_id: credential.id, scopes, claims: None, token_type: TokenType::Client }
    }
}

/// What keeps every client of the agent out.
fn against(agent: &Agent) -> Option<&'static str> {
    match agent.status {
        AgentStatus::Active => None,
        AgentStatus::Suspended => Some("agent_suspended"),
        AgentStatus::Decommissioned => Some("agent_decommissioned"),
    }
}
