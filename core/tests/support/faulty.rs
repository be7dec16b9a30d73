//! A decorator of every port: it counts the calls, and fails them from a chosen one on, before they reach what is
//! inside.

use agentidp_core::domain::agent::Agent;
use agentidp_core::domain::audit::{AuditEvent, AuditFilter};
use agentidp_core::domain::credential::{Backend, Credential, CredentialStatus, SecretLocation, SecretRef};
use agentidp_core::domain::ids::{AgentId, CredentialId, EventId};
use agentidp_core::domain::key::StoredKey;
use agentidp_core::domain::page::{Page, PageRequest};
use agentidp_core::domain::secret::{IssuedSecret, PresentedSecret};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::domain::token::Standing;
use agentidp_core::ports::policy::Owners;
use agentidp_core::ports::secrets::{SecretError, SecretStore, SecretVerifier, SecretWrite};
use agentidp_core::ports::storage::{
    AgentFilter, AgentStore, AuditLog, CredentialStore, Issue, Journal, KeptPolicy, KeyRevocation, KeyStore,
    Revocation, Spare, StoreError, StoreHealth, TokenStore,
};
use async_trait::async_trait;
use std::sync::{Arc, Mutex};

/// Wraps an adapter.
pub struct Faulty<T> {
    pub inner: Arc<T>,
    state: Mutex<State>,
}

struct State {
    calls: Vec<&'static str>,
    /// How many more calls succeed; none: all.
    good: Option<usize>,
}

impl<T> Faulty<T> {
    pub fn around(inner: T) -> Arc<Self> {
        Arc::new(Self { inner: Arc::new(inner), state: Mutex::new(State { calls: Vec::new(), good: None }) })
    }

    /// Lets this many more calls succeed.
    pub fn break_after(&self, good: usize) {
        self.state.lock().unwrap().good = Some(good);
    }

    pub fn heal(&self) {
        self.state.lock().unwrap().good = None;
    }

    /// The names of the methods that were called since the last question.
    pub fn take_calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state.lock().unwrap().calls)
    }

    fn pass(&self, call: &'static str) -> Option<()> {
        let mut state = self.state.lock().unwrap();
        state.calls.push(call);
        match &mut state.good {
            None => Some(()),
            Some(0) => None,
            Some(good) => {
                *good -= 1;
                Some(())
            }
        }
    }

    fn store(&self, call: &'static str) -> Result<&T, StoreError> {
        self.pass(call)
            .map(|()| self.inner.as_ref())
            .ok_or_else(|| StoreError::Unavailable("broken by the test".into()))
    }

    fn backend(&self, call: &'static str) -> Result<&T, SecretError> {
        let broken = || SecretError::Unavailable("broken by the test".into());
        self.pass(call).map(|()| self.inner.as_ref()).ok_or_else(broken)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: AgentStore> AgentStore for Faulty<T> {
    async fn insert(&self, agent: &Agent, most: Option<u32>, journal: &Journal) -> Result<(), StoreError> {
        self.store("agents.insert")?.insert(agent, most, journal).await
    }

    async fn find(&self, id: AgentId) -> Result<Option<Agent>, StoreError> {
        self.store("agents.find")?.find(id).await
    }

    async fn list(&self, filter: &AgentFilter, page: PageRequest) -> Result<Page<Agent>, StoreError> {
        self.store("agents.list")?.list(filter, page).await
    }

    async fn update(&self, agent: &Agent, journal: &Journal) -> Result<(), StoreError> {
        self.store("agents.update")?.update(agent, journal).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: CredentialStore> CredentialStore for Faulty<T> {
    async fn insert(
        &self,
        credential: &Credential,
        agent_revision: i64,
        most: u32,
        journal: &Journal,
    ) -> Result<(), StoreError> {
        self.store("credentials.insert")?.insert(credential, agent_revision, most, journal).await
    }

    async fn import(&self, credential: &Credential, now: Timestamp, journal: &Journal) -> Result<(), StoreError> {
        self.store("credentials.import")?.import(credential, now, journal).await
    }

    async fn find(&self, agent: AgentId, id: CredentialId) -> Result<Option<Credential>, StoreError> {
        self.store("credentials.find")?.find(agent, id).await
    }

    async fn list(
        &self,
        agent: AgentId,
        status: Option<CredentialStatus>,
        now: Timestamp,
        page: PageRequest,
    ) -> Result<Page<Credential>, StoreError> {
        self.store("credentials.list")?.list(agent, status, now, page).await
    }

    async fn update(
        &self,
        credential: &Credential,
        agent_revision: Option<i64>,
        journal: &Journal,
    ) -> Result<(), StoreError> {
        self.store("credentials.update")?.update(credential, agent_revision, journal).await
    }

    async fn legacy(&self, agent: AgentId) -> Result<Option<(Agent, Vec<Credential>)>, StoreError> {
        self.store("credentials.legacy")?.legacy(agent).await
    }

    async fn uses_legacy(&self, now: Timestamp) -> Result<bool, StoreError> {
        self.store("credentials.uses_legacy")?.uses_legacy(now).await
    }

    async fn count(&self, now: Timestamp) -> Result<Vec<(Backend, CredentialStatus, u64)>, StoreError> {
        self.store("credentials.count")?.count(now).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: TokenStore> TokenStore for Faulty<T> {
    async fn standing(
        &self,
        agent: AgentId,
        credential: CredentialId,
        token_ids: &[String],
    ) -> Result<Option<Standing>, StoreError> {
        self.store("tokens.standing")?.standing(agent, credential, token_ids).await
    }

    async fn record_issue(&self, issue: &Issue) -> Result<(), StoreError> {
        self.store("tokens.record_issue")?.record_issue(issue).await
    }

    async fn note_use(&self, credential: CredentialId, at: Timestamp) -> Result<(), StoreError> {
        self.store("tokens.note_use")?.note_use(credential, at).await
    }

    async fn revoke(&self, revocation: &Revocation, event: &AuditEvent) -> Result<(), StoreError> {
        self.store("tokens.revoke")?.revoke(revocation, event).await
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.store("tokens.purge")?.purge(now).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: AuditLog> AuditLog for Faulty<T> {
    async fn append(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        self.store("audit.append")?.append(events).await
    }

    async fn query(
        &self,
        owners: &Owners,
        filter: &AuditFilter,
        since: Option<Timestamp>,
        page: PageRequest,
    ) -> Result<Page<AuditEvent>, StoreError> {
        self.store("audit.query")?.query(owners, filter, since, page).await
    }

    async fn find(
        &self,
        id: EventId,
        owners: &Owners,
        since: Option<Timestamp>,
    ) -> Result<Option<AuditEvent>, StoreError> {
        self.store("audit.find")?.find(id, owners, since).await
    }

    async fn prune(&self, before: Timestamp, event: &AuditEvent) -> Result<u64, StoreError> {
        self.store("audit.prune")?.prune(before, event).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: KeyStore> KeyStore for Faulty<T> {
    async fn list(&self) -> Result<Vec<StoredKey>, StoreError> {
        self.store("keys.list")?.list().await
    }

    async fn insert_first(&self, key: &StoredKey) -> Result<bool, StoreError> {
        self.store("keys.insert_first")?.insert_first(key).await
    }

    async fn insert(&self, key: &StoredKey, event: &AuditEvent) -> Result<(), StoreError> {
        self.store("keys.insert")?.insert(key, event).await
    }

    async fn insert_after(&self, after: &str, key: &StoredKey, event: &AuditEvent) -> Result<bool, StoreError> {
        self.store("keys.insert_after")?.insert_after(after, key, event).await
    }

    async fn revoke(&self, kid: &str, event: &AuditEvent, spare: &Spare) -> Result<KeyRevocation, StoreError> {
        self.store("keys.revoke")?.revoke(kid, event, spare).await
    }

    async fn reseal(&self, key: &StoredKey, was: &str) -> Result<bool, StoreError> {
        self.store("keys.reseal")?.reseal(key, was).await
    }

    async fn master_key_ids(&self) -> Result<Vec<String>, StoreError> {
        self.store("keys.master_key_ids")?.master_key_ids().await
    }

    async fn keep_policy(&self, hash: &str, rego: &str, data: &str, at: Timestamp) -> Result<(), StoreError> {
        self.store("keys.keep_policy")?.keep_policy(hash, rego, data, at).await
    }

    async fn find_policy(&self, hash: &str) -> Result<Option<KeptPolicy>, StoreError> {
        self.store("keys.find_policy")?.find_policy(hash).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: StoreHealth> StoreHealth for Faulty<T> {
    async fn ping(&self) -> Result<(), StoreError> {
        self.store("health.ping")?.ping().await
    }

    async fn bootstrap(
        &self,
        agent: &Agent,
        credential: &Credential,
        recover: bool,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        self.store("health.bootstrap")?.bootstrap(agent, credential, recover, event).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: SecretVerifier> SecretVerifier for Faulty<T> {
    async fn verify(&self, at: &SecretRef, presented: &PresentedSecret) -> Result<bool, SecretError> {
        self.backend("secrets.verify")?.verify(at, presented).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: SecretStore> SecretStore for Faulty<T> {
    fn backend(&self) -> Backend {
        self.inner.backend()
    }

    async fn put(&self, write: SecretWrite, secret: &IssuedSecret) -> Result<SecretRef, SecretError> {
        self.backend("secrets.put")?.put(write, secret).await
    }

    async fn undo(&self, write: SecretWrite) -> Result<(), SecretError> {
        self.backend("secrets.undo")?.undo(write).await
    }

    async fn destroy(&self, location: &SecretLocation) -> Result<(), SecretError> {
        self.backend("secrets.destroy")?.destroy(location).await
    }
}
