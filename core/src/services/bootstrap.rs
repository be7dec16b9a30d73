//! The first administrator.

use super::Ambient;
use super::credentials::new_secret;
use super::custody::Custody;
use crate::domain::agent::{Agent, AgentType, DeploymentEnv, NewAgent, Owner};
use crate::domain::audit::Action;
use crate::domain::caller::RequestContext;
use crate::domain::credential::Credential;
use crate::domain::ids::{AgentId, CredentialId};
use crate::domain::json::Json;
use crate::domain::scope::{CapabilitySet, MANAGEMENT_SCOPES};
use crate::domain::secret::IssuedSecret;
use crate::domain::text::Invalid;
use crate::ports::custody::CustodyError;
use crate::ports::secrets::{SecretError, SecretOwner};
use crate::ports::storage::{Journal, StoreError, StoreHealth};
use std::sync::Arc;

/// The owner of administrators if none is named.
pub const DEFAULT_OWNER: &str = "system";

/// What the addresses of administrators made here end in.
pub const ADMINISTRATOR_DOMAIN: &str = "@agentidp.local";

/// Makes administrators from outside the API.
pub struct BootstrapService {
    pub store: Arc<dyn StoreHealth>,
    pub custody: Arc<Custody>,
    pub ambient: Ambient,
}

/// A new administrator and its secret, which is shown this once.
#[derive(Debug)]
pub struct Administrator {
    pub agent: Agent,
    pub secret: IssuedSecret,
}

/// Why there is no new administrator.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error("there is an administrator already; `bootstrap --recover` makes another when all are lost")]
    AlreadyDone,
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Secrets(#[from] SecretError),
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

impl From<CustodyError> for BootstrapError {
    fn from(error: CustodyError) -> Self {
        match error {
            CustodyError::Secrets(error) => Self::Secrets(error),
            CustodyError::Store(error) => Self::Unavailable(error),
        }
    }
}

impl BootstrapService {
    /// Registers an administrator with every management scope as capability.
    ///
    /// # Errors
    /// There is one already and `recover` is not set, or a backend is away.
    pub async fn run(&self, owner: Owner, recover: bool) -> Result<Administrator, BootstrapError> {
        // Before anything is written outside. The database decides: others may come in between.
        if !recover && self.store.has_administrator().await? {
            return Err(BootstrapError::AlreadyDone);
        }
        let now = self.ambient.clock.now();
        let agent = Agent::register(AgentId::new(self.ambient.uuid()), administrator(owner, &self.ambient)?, now);
        let id = CredentialId::new(self.ambient.uuid());
        let secret = new_secret(id, self.ambient.entropy.as_ref());
        let owner = SecretOwner { agent_id: agent.id, credential_id: id };
        let kept = self.custody.keep(owner, None, &secret).await?;
        let credential = Credential::new(id, agent.id, kept.at, None, now);
        let event = self.ambient.event(Action::BootstrapCompleted, &RequestContext::default());
        let event = event
            .about(agent.id, &agent.owner)
            .with([("credentialId", Json::text(id)), ("recover", Json::Bool(recover))]);
        let journal = Journal { event, idempotency: None, write: kept.write };
        let made = match self.store.bootstrap(&agent, &credential, recover, &journal).await {
            Ok(true) => Ok(Administrator { agent, secret }),
            Ok(false) => Err(BootstrapError::AlreadyDone),
            Err(error) => Err(error.into()),
        };
        self.custody.ended(kept.write, made).await
    }
}

/// Recovered administrators live beside lost ones, so each has an address of its own.
fn administrator(owner: Owner, ambient: &Ambient) -> Result<NewAgent, Invalid> {
    let mark = ambient.uuid().simple().to_string();
    let (_, mark) = mark.split_at_checked(20).unwrap_or(("", "admin"));
    Ok(NewAgent {
        email: format!("admin-{mark}{ADMINISTRATOR_DOMAIN}").parse()?,
        agent_type: AgentType::Custom,
        version: "1.0.0".parse()?,
        capabilities: CapabilitySet::parse(&MANAGEMENT_SCOPES)?,
        owner,
        deployment_env: DeploymentEnv::Production,
    })
}
