//! A decorator of every port: it counts the calls, and fails them from a chosen one on, before they reach what is
//! inside; the first of them may reach it without its answer coming back.

use agentidp_core::domain::agent::Agent;
use agentidp_core::domain::audit::{AuditEvent, AuditFilter};
use agentidp_core::domain::credential::{Backend, Credential, CredentialStatus};
use agentidp_core::domain::ids::{AgentId, CredentialId, EventId};
use agentidp_core::domain::key::StoredKey;
use agentidp_core::domain::page::{Page, PageRequest};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::domain::token::Standing;
use agentidp_core::ports::policy::Owners;
use agentidp_core::ports::secrets::SecretError;
use agentidp_core::ports::storage::{
    AgentFilter, AgentStore, AuditLog, CredentialStore, Issue, Journal, KeptPolicy, KeyRevocation, KeyStore,
    Revocation, Spare, StoreError, StoreHealth, TokenStore,
};
use async_trait::async_trait;
use std::sync::{Arc, Mutex};

/// Wraps an adapter.
pub struct Faulty<T> {
    pub inner: Arc<T>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    calls: Vec<&'static str>,
    /// How many more calls succeed; none: all.
    good: Option<usize>,
    /// Whether the first call after those is done, and only its answer lost.
    lossy: bool,
    /// Whether all after that one succeed again.
    once: bool,
}

/// What becomes of a call.
enum Fate {
    Answered,
    /// Done, but nobody learns of it.
    Lost,
    NotDone,
}

impl<T> Faulty<T> {
    pub fn around(inner: T) -> Arc<Self> {
        Arc::new(Self { inner: Arc::new(inner), state: Arc::default() })
    }

    /// One whose calls count together with those of `other`, and that breaks with it.
    pub fn beside<U>(other: &Faulty<U>, inner: T) -> Arc<Self> {
        Arc::new(Self { inner: Arc::new(inner), state: Arc::clone(&other.state) })
    }

    /// Lets this many more calls succeed.
    pub fn break_after(&self, good: usize) {
        self.set(State { good: Some(good), ..State::default() });
    }

    /// Lets this many more calls succeed; the one after them is done, and its answer is lost.
    pub fn lose_answer_after(&self, good: usize) {
        self.set(State { good: Some(good), lossy: true, ..State::default() });
    }

    /// Fails one call after this many more, or loses its answer.
    pub fn stumble_after(&self, good: usize, lossy: bool) {
        self.set(State { good: Some(good), lossy, once: true, ..State::default() });
    }

    pub fn heal(&self) {
        self.set(State::default());
    }

    fn set(&self, state: State) {
        let mut current = self.state.lock().unwrap();
        *current = State { calls: std::mem::take(&mut current.calls), ..state };
    }

    /// The names of the methods that were called since the last question.
    pub fn take_calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state.lock().unwrap().calls)
    }

    fn fate(&self, call: &'static str) -> Fate {
        let mut state = self.state.lock().unwrap();
        state.calls.push(call);
        match state.good {
            None => Fate::Answered,
            Some(0) => {
                if state.once {
                    state.good = None;
                }
                if std::mem::take(&mut state.lossy) { Fate::Lost } else { Fate::NotDone }
            }
            Some(good) => {
                state.good = Some(good - 1);
                Fate::Answered
            }
        }
    }

    async fn pass<R, E>(
        &self,
        call: &'static str,
        question: impl Future<Output = Result<R, E>>,
        broken: impl Fn() -> E,
    ) -> Result<R, E> {
        match self.fate(call) {
            Fate::Answered => question.await,
            Fate::Lost => {
                let _lost = question.await;
                Err(broken())
            }
            Fate::NotDone => Err(broken()),
        }
    }

    /// A question to the database.
    pub async fn store<R>(
        &self,
        call: &'static str,
        question: impl Future<Output = Result<R, StoreError>>,
    ) -> Result<R, StoreError> {
        self.pass(call, question, || StoreError::Unavailable("broken by the test".into())).await
    }

    /// A question to a backend of secrets.
    pub async fn backend<R>(
        &self,
        call: &'static str,
        question: impl Future<Output = Result<R, SecretError>>,
    ) -> Result<R, SecretError> {
        self.pass(call, question, || SecretError::Unavailable("broken by the test".into())).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: AgentStore> AgentStore for Faulty<T> {
    async fn insert(&self, agent: &Agent, most: Option<u32>, journal: &Journal) -> Result<(), StoreError> {
        self.store("agents.insert", self.inner.insert(agent, most, journal)).await
    }

    async fn find(&self, id: AgentId) -> Result<Option<Agent>, StoreError> {
        self.store("agents.find", self.inner.find(id)).await
    }

    async fn list(&self, filter: &AgentFilter, page: PageRequest) -> Result<Page<Agent>, StoreError> {
        self.store("agents.list", self.inner.list(filter, page)).await
    }

    async fn update(&self, agent: &Agent, journal: &Journal) -> Result<(), StoreError> {
        self.store("agents.update", self.inner.update(agent, journal)).await
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
        self.store("credentials.insert", self.inner.insert(credential, agent_revision, most, journal)).await
    }

    async fn import(&self, credential: &Credential, now: Timestamp, journal: &Journal) -> Result<(), StoreError> {
        self.store("credentials.import", self.inner.import(credential, now, journal)).await
    }

    async fn find(&self, agent: AgentId, id: CredentialId) -> Result<Option<Credential>, StoreError> {
        self.store("credentials.find", self.inner.find(agent, id)).await
    }

    async fn list(
        &self,
        agent: AgentId,
        status: Option<CredentialStatus>,
        now: Timestamp,
        page: PageRequest,
    ) -> Result<Page<Credential>, StoreError> {
        self.store("credentials.list", self.inner.list(agent, status, now, page)).await
    }

    async fn update(
        &self,
        credential: &Credential,
        agent_revision: Option<i64>,
        journal: &Journal,
    ) -> Result<(), StoreError> {
        self.store("credentials.update", self.inner.update(credential, agent_revision, journal)).await
    }

    async fn legacy(&self, agent: AgentId) -> Result<Option<(Agent, Vec<Credential>)>, StoreError> {
        self.store("credentials.legacy", self.inner.legacy(agent)).await
    }

    async fn uses_legacy(&self, now: Timestamp) -> Result<bool, StoreError> {
        self.store("credentials.uses_legacy", self.inner.uses_legacy(now)).await
    }

    async fn count(&self, now: Timestamp) -> Result<Vec<(Backend, CredentialStatus, u64)>, StoreError> {
        self.store("credentials.count", self.inner.count(now)).await
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
        self.store("tokens.standing", self.inner.standing(agent, credential, token_ids)).await
    }

    async fn record_issue(&self, issue: &Issue) -> Result<(), StoreError> {
        self.store("tokens.record_issue", self.inner.record_issue(issue)).await
    }

    async fn note_use(&self, credential: CredentialId, at: Timestamp) -> Result<(), StoreError> {
        self.store("tokens.note_use", self.inner.note_use(credential, at)).await
    }

    async fn revoke(&self, revocation: &Revocation, event: &AuditEvent) -> Result<(), StoreError> {
        self.store("tokens.revoke", self.inner.revoke(revocation, event)).await
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.store("tokens.purge", self.inner.purge(now)).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: AuditLog> AuditLog for Faulty<T> {
    async fn append(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        self.store("audit.append", self.inner.append(events)).await
    }

    async fn query(
        &self,
        owners: &Owners,
        filter: &AuditFilter,
        since: Option<Timestamp>,
        page: PageRequest,
    ) -> Result<Page<AuditEvent>, StoreError> {
        self.store("audit.query", self.inner.query(owners, filter, since, page)).await
    }

    async fn find(
        &self,
        id: EventId,
        owners: &Owners,
        since: Option<Timestamp>,
    ) -> Result<Option<AuditEvent>, StoreError> {
        self.store("audit.find", self.inner.find(id, owners, since)).await
    }

    async fn prune(&self, before: Timestamp, event: &AuditEvent) -> Result<u64, StoreError> {
        self.store("audit.prune", self.inner.prune(before, event)).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: KeyStore> KeyStore for Faulty<T> {
    async fn list(&self) -> Result<Vec<StoredKey>, StoreError> {
        self.store("keys.list", self.inner.list()).await
    }

    async fn insert_first(&self, key: &StoredKey) -> Result<bool, StoreError> {
        self.store("keys.insert_first", self.inner.insert_first(key)).await
    }

    async fn insert(&self, key: &StoredKey, event: &AuditEvent) -> Result<(), StoreError> {
        self.store("keys.insert", self.inner.insert(key, event)).await
    }

    async fn insert_after(&self, after: &str, key: &StoredKey, event: &AuditEvent) -> Result<bool, StoreError> {
        self.store("keys.insert_after", self.inner.insert_after(after, key, event)).await
    }

    async fn revoke(&self, kid: &str, event: &AuditEvent, spare: &Spare) -> Result<KeyRevocation, StoreError> {
        self.store("keys.revoke", self.inner.revoke(kid, event, spare)).await
    }

    async fn reseal(&self, key: &StoredKey, was: &str) -> Result<bool, StoreError> {
        self.store("keys.reseal", self.inner.reseal(key, was)).await
    }

    async fn master_key_ids(&self) -> Result<Vec<String>, StoreError> {
        self.store("keys.master_key_ids", self.inner.master_key_ids()).await
    }

    async fn keep_policy(&self, hash: &str, rego: &str, data: &str, at: Timestamp) -> Result<(), StoreError> {
        self.store("keys.keep_policy", self.inner.keep_policy(hash, rego, data, at)).await
    }

    async fn find_policy(&self, hash: &str) -> Result<Option<KeptPolicy>, StoreError> {
        self.store("keys.find_policy", self.inner.find_policy(hash)).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: StoreHealth> StoreHealth for Faulty<T> {
    async fn ping(&self) -> Result<(), StoreError> {
        self.store("health.ping", self.inner.ping()).await
    }

    async fn has_administrator(&self) -> Result<bool, StoreError> {
        self.store("health.has_administrator", self.inner.has_administrator()).await
    }

    async fn bootstrap(
        &self,
        agent: &Agent,
        credential: &Credential,
        recover: bool,
        journal: &Journal,
    ) -> Result<bool, StoreError> {
        self.store("health.bootstrap", self.inner.bootstrap(agent, credential, recover, journal)).await
    }
}
