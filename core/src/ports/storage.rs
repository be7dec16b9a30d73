//! The database: the truth about agents, credentials, tokens, keys and the audit log.
//!
//! One method is one atomic change, its [`Journal`] included. What a method changes MUST be durable when it returns,
//! and nothing of it may be visible if it fails. An idempotency record whose (caller, key) is already kept and younger
//! than 24 hours MUST make any change fail with [`StoreError::Replayed`], whatever else would have happened; of twins
//! that run together exactly one changes anything.

use super::Source;
use super::policy::Owners;
use crate::domain::agent::{Agent, AgentStatus, AgentType, DeploymentEnv, Owner};
use crate::domain::audit::{AuditEvent, AuditFilter};
use crate::domain::credential::{Backend, Credential, CredentialStatus};
use crate::domain::idempotency::{IdempotencyKey, IdempotencyRecord};
use crate::domain::ids::{AgentId, CredentialId, EventId, WriteId};
use crate::domain::key::StoredKey;
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::domain::token::Standing;
use async_trait::async_trait;

/// Why the database refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique value is taken: the agent's e-mail within its owner.
    #[error("the value is taken")]
    Conflict,
    /// The row has another revision than the change was made from, or is gone. Nothing was changed.
    #[error("the row has changed since it was read")]
    Stale,
    /// The agent has as many active credentials as it may have, the owner as many agents, the client as many tokens.
    #[error("the limit is reached")]
    LimitReached,
    /// The idempotency key is already in use.
    #[error("the idempotency key is in use")]
    Replayed,
    /// The database is away, too slow, full or read-only. Whether the change was made is not known if the connection
    /// broke at its end.
    #[error("the database is unavailable")]
    Unavailable(#[source] Source),
    /// A row holds what it cannot hold.
    #[error("table `{table}` holds an invalid `{column}` in row {id}")]
    Inconsistent { table: &'static str, column: &'static str, id: String },
}

/// What is written beside a change, in the same transaction.
#[derive(Debug, Clone)]
pub struct Journal {
    pub event: AuditEvent,
    pub idempotency: Option<IdempotencyRecord>,
    /// The write of the secret that the change names, if that was announced ([`super::custody`]). The change MUST
    /// remove it; one that is not there any more, or was claimed, MUST make it fail with [`StoreError::Stale`].
    pub write: Option<WriteId>,
}

/// Which agents a list wants. `owners` comes from the policy, the rest from the request.
#[derive(Debug, Clone)]
pub struct AgentFilter {
    pub owners: Owners,
    pub owner: Option<Owner>,
    pub agent_type: Option<AgentType>,
    pub status: Option<AgentStatus>,
    pub deployment_env: Option<DeploymentEnv>,
    /// A substring of e-mail or owner, without regard to ASCII case; `%` and `_` stand for themselves.
    pub text: Option<String>,
}

/// Agents.
#[async_trait]
pub trait AgentStore: Send + Sync {
    /// Adds a new agent. An e-mail taken within the owner, whatever its case and whatever the other's status, MUST be
    /// [`StoreError::Conflict`]; with `most` given, an owner that has as many agents that are not decommissioned MUST
    /// be [`StoreError::LimitReached`].
    async fn insert(&self, agent: &Agent, most: Option<u32>, journal: &Journal) -> Result<(), StoreError>;

    /// The agent, whatever its status.
    async fn find(&self, id: AgentId) -> Result<Option<Agent>, StoreError>;

    /// Agents, newest first, by (createdAt, id).
    async fn list(&self, filter: &AgentFilter, page: PageRequest) -> Result<Page<Agent>, StoreError>;

    /// Writes `agent` over the row whose revision is one less; any other revision MUST be [`StoreError::Stale`].
    /// If the new status is decommissioned, every credential of the agent that is not revoked MUST be revoked at
    /// `agent.updated_at` in the same transaction, and the places of all its secrets outside MUST be due then. A changed
    /// owner may meet [`StoreError::Conflict`].
    async fn update(&self, agent: &Agent, journal: &Journal) -> Result<(), StoreError>;
}

/// Credentials. The place of a secret that lies outside MUST be kept for [`super::custody`] by the change that names it,
/// whatever the credential's secrets move to later.
#[async_trait]
pub trait CredentialStore: Send + Sync {
    /// Adds a credential. The agent's row MUST be active and have the revision `agent_revision`, else
    /// [`StoreError::Stale`]; more than `most` credentials that are active at `credential.created_at` MUST be
    /// [`StoreError::LimitReached`], however many ask at once.
    async fn insert(
        &self,
        credential: &Credential,
        agent_revision: i64,
        most: u32,
        journal: &Journal,
    ) -> Result<(), StoreError>;

    /// Adds a legacy credential for an active agent, whatever its revision, else [`StoreError::Stale`]; one more than
    /// ten that are active at `now` MUST be [`StoreError::LimitReached`], whenever this one was made.
    async fn import(&self, credential: &Credential, now: Timestamp, journal: &Journal) -> Result<(), StoreError>;

    /// The credential, if it is the agent's.
    async fn find(&self, agent: AgentId, id: CredentialId) -> Result<Option<Credential>, StoreError>;

    /// Credentials of the agent, newest first, of the given status at `now`.
    async fn list(
        &self,
        agent: AgentId,
        status: Option<CredentialStatus>,
        now: Timestamp,
        page: PageRequest,
    ) -> Result<Page<Credential>, StoreError>;

    /// Writes `credential` over the row whose revision is one less; any other revision MUST be [`StoreError::Stale`].
    /// A revocation MUST make the places of all its secrets outside due at that moment.
    /// With `agent_revision` given, the agent MUST be active and have it, else [`StoreError::Stale`]. A rotation may
    /// bring an expired credential back: if ten others are active at the event's time, that MUST be
    /// [`StoreError::LimitReached`].
    async fn update(
        &self,
        credential: &Credential,
        agent_revision: Option<i64>,
        journal: &Journal,
    ) -> Result<(), StoreError>;

    /// The agent and its credentials that are not revoked and whose current secret, or one left in its grace, is a
    /// bcrypt hash; at most ten, among them all that are active.
    async fn legacy(&self, agent: AgentId) -> Result<Option<(Agent, Vec<Credential>)>, StoreError>;

    /// Whether any credential that is active at `now` has a secret that works then and is a bcrypt hash, be it the
    /// current one or one in its grace.
    async fn uses_legacy(&self, now: Timestamp) -> Result<bool, StoreError>;

    /// How many credentials there are by backend and status at `now`.
    async fn count(&self, now: Timestamp) -> Result<Vec<(Backend, CredentialStatus, u64)>, StoreError>;
}

/// What is recorded of an issued token.
#[derive(Debug, Clone)]
pub struct Issue {
    pub event: AuditEvent,
    /// The credential whose `last_used_at` moves to the event's time, unless it is less than a minute older.
    pub used: Option<CredentialId>,
    /// Most tokens of the agent in the calendar month of the event.
    pub monthly_quota: Option<u32>,
}

/// A token that is taken back.
#[derive(Debug, Clone)]
pub struct Revocation {
    /// The `jti` of a JWT, or the hex id of a Biscuit block.
    pub token_id: String,
    /// When the token would have ended; the row may be purged then.
    pub expires_at: Timestamp,
    pub at: Timestamp,
}

/// Tokens.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// The agent, its credential and whether any of `token_ids` is revoked, as of one moment. None if the agent or the
    /// credential does not exist or does not belong to the agent.
    async fn standing(
        &self,
        agent: AgentId,
        credential: CredentialId,
        token_ids: &[String],
    ) -> Result<Option<Standing>, StoreError>;

    /// Records the issue of a token. A quota that is used up MUST be [`StoreError::LimitReached`], however many ask at
    /// once; then nothing is recorded.
    async fn record_issue(&self, issue: &Issue) -> Result<(), StoreError>;

    /// Moves `last_used_at` of the credential to `at`, unless it is less than a minute older: for uses that issue
    /// nothing.
    async fn note_use(&self, credential: CredentialId, at: Timestamp) -> Result<(), StoreError>;

    /// Records a revocation. Revoking again MUST succeed and keep the first record; the event is written each time.
    async fn revoke(&self, revocation: &Revocation, event: &AuditEvent) -> Result<(), StoreError>;

    /// Removes revocations of tokens that ended before `now`, not all in one transaction; says how many.
    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError>;
}

/// Results kept under idempotency keys.
#[async_trait]
pub trait IdempotencyStore: Send + Sync {
    /// The record under the caller's key, if it is not older than 24 hours at `now`.
    async fn find(
        &self,
        caller: AgentId,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// Removes records older than 24 hours at `now`, not all in one transaction; says how many.
    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError>;
}

/// The audit log. Append-only: the database itself MUST refuse UPDATE and DELETE of its rows, but for `prune`.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Appends events, all or none.
    async fn append(&self, events: &[AuditEvent]) -> Result<(), StoreError>;

    /// Events of `owners`, not older than `since`, newest first, by (timestamp, id).
    async fn query(
        &self,
        owners: &Owners,
        filter: &AuditFilter,
        since: Option<Timestamp>,
        page: PageRequest,
    ) -> Result<Page<AuditEvent>, StoreError>;

    /// The event, if its owner is among `owners` and it is not older than `since`.
    async fn find(
        &self,
        id: EventId,
        owners: &Owners,
        since: Option<Timestamp>,
    ) -> Result<Option<AuditEvent>, StoreError>;

    /// Removes events older than `before` and appends `event`, if there were any; says how many were removed. What is
    /// removed is always on record, but not all of it need be removed in one transaction. Events younger than a day
    /// MUST NOT be removed, whatever `before` says.
    async fn prune(&self, before: Timestamp, event: &AuditEvent) -> Result<u64, StoreError>;
}

/// A key that signs at once, in case that none is left, and the event of its coming.
#[derive(Debug, Clone)]
pub struct Spare {
    pub key: StoredKey,
    pub event: AuditEvent,
}

/// What became of a key that was to be revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRevocation {
    /// There is no such key.
    Unknown,
    /// It was revoked before, at this moment.
    Already(Timestamp),
    /// It is revoked now, and another one signs.
    Done,
    /// It is revoked now, and the spare one signs.
    Replaced,
}

/// The texts of a policy that was in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPolicy {
    /// `authz.rego`.
    pub rego: String,
    /// `data/scopes.json`.
    pub data: String,
}

/// Signing keys, and the policies that made decisions.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Every key, oldest first.
    async fn list(&self) -> Result<Vec<StoredKey>, StoreError>;

    /// Adds the first key of its use; if there is one already, MUST change nothing and say `false`, however many ask at
    /// once.
    async fn insert_first(&self, key: &StoredKey) -> Result<bool, StoreError>;

    /// Adds a key beside the others. A `kid` that is there MUST be [`StoreError::Conflict`].
    async fn insert(&self, key: &StoredKey, event: &AuditEvent) -> Result<(), StoreError>;

    /// Adds a key beside the others, if the newest of its use that signs or will at the event's time is the key
    /// `after`; says whether it was so. Else MUST change nothing; of many that ask at once exactly one adds a key.
    async fn insert_after(&self, after: &str, key: &StoredKey, event: &AuditEvent) -> Result<bool, StoreError>;

    /// Revokes the key `kid` at the event's time and writes the event. If no key of the use of `spare`, which is that
    /// of `kid`, signs then, MUST add the one of `spare` and write its event too; of revocations that run together none
    /// may leave the keys without one that signs. A key that is unknown or revoked already MUST change nothing.
    async fn revoke(&self, kid: &str, event: &AuditEvent, spare: &Spare) -> Result<KeyRevocation, StoreError>;

    /// Keeps `key` as it is sealed now, if the row of its `kid` is still sealed under the master key `was`; says
    /// whether it was so. MUST change nothing but the sealed key and the name of its master key.
    async fn reseal(&self, key: &StoredKey, was: &str) -> Result<bool, StoreError>;

    /// Every id of a master key that a row (signing key or digest of a credential that is not revoked) names.
    async fn master_key_ids(&self) -> Result<Vec<String>, StoreError>;

    /// Keeps a policy under its hash; keeping it again MUST change nothing.
    async fn keep_policy(&self, hash: &str, rego: &str, data: &str, at: Timestamp) -> Result<(), StoreError>;

    /// The policy that is kept under `hash`.
    async fn find_policy(&self, hash: &str) -> Result<Option<KeptPolicy>, StoreError>;
}

/// Set-up and state of the database itself.
#[async_trait]
pub trait StoreHealth: Send + Sync {
    /// Asks the database for the least that proves that it answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Whether an agent has the capability `admin:all` or a wildcard that covers it, and is active.
    async fn has_administrator(&self) -> Result<bool, StoreError>;

    /// Registers the first administrator and its credential in one transaction, if there is none, as
    /// [`StoreHealth::has_administrator`] says it; else MUST change nothing and say `false`. With `recover` it is done in
    /// any case.
    async fn bootstrap(
        &self,
        agent: &Agent,
        credential: &Credential,
        recover: bool,
        journal: &Journal,
    ) -> Result<bool, StoreError>;
}
