//! What lies outside the database, or may: writes that are under way, and the places of secrets that are kept.
//!
//! A secret outside and the row that names it cannot be written in one transaction. So a write is announced here before
//! it happens, and committed together with the row; one that is never committed is found here and taken back. Where
//! secrets of a credential lie is kept here until they are destroyed.

use super::secrets::{SecretError, SecretOwner, SecretWrite};
use super::storage::StoreError;
use crate::domain::credential::{Backend, SecretLocation};
use crate::domain::ids::{AgentId, CredentialId, WriteId};
use crate::domain::time::Timestamp;
use async_trait::async_trait;
use std::time::Duration;

/// How long an announced write is let alone: longer than any call to a backend may be under way.
pub const WRITE_TIME: Duration = Duration::from_secs(120);

/// How long an announced write keeps others of its credential waiting: a request ends within that time.
pub const TURN: Duration = Duration::from_secs(10);

const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// How long to wait after so many attempts: half a minute after the first, then twice as long each time, up to an hour.
pub fn pause(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(LONGEST_PAUSE.as_secs().ilog2());
    FIRST_PAUSE.saturating_mul(1_u32 << doublings).min(LONGEST_PAUSE)
}

/// A write that is about to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    pub write: SecretWrite,
    /// Where it will lie: what is configured may have changed when it is taken back.
    pub location: SecretLocation,
    pub at: Timestamp,
    /// The revision of the credential's row that the change is made from; none: it is a new credential.
    pub from: Option<i64>,
}

/// A write that is to be taken back: from now on it cannot be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedWrite {
    pub write: SecretWrite,
    pub backend: Backend,
    /// The path of its [`SecretLocation`]; none: it was announced by a release that did not say.
    pub path: Option<String>,
    /// This one included.
    pub attempts: u32,
}

/// A place where secrets of a revoked credential lie, to be destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedLocation {
    pub owner: SecretOwner,
    pub location: SecretLocation,
    /// This one included.
    pub attempts: u32,
}

/// What is still to be committed, taken back or destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pending {
    /// Announced writes.
    pub writes: u64,
    /// Places of revoked credentials.
    pub destructions: u64,
    /// Since when the oldest of both is there.
    pub oldest: Option<Timestamp>,
}

/// The records of what lies outside. A change of a credential commits its write by [`Journal::write`] and keeps the
/// place of its secret; a revocation makes its places due. Both are part of [`super::storage`].
///
/// [`Journal::write`]: super::storage::Journal::write
#[async_trait]
pub trait CustodyStore: Send + Sync {
    /// Records a write that is about to happen; it is due [`WRITE_TIME`] later. Writes of one credential take turns,
    /// because backends keep a bounded number of versions, and those of losers would push out the one that counts: if
    /// another one was announced less than [`TURN`] before and is neither committed nor claimed, or the row has another
    /// revision than the change is made from, MUST be [`StoreError::Stale`], however many ask at once.
    async fn announce(&self, intent: &Intent) -> Result<(), StoreError>;

    /// Claims the write `id` if it is neither committed nor settled, whatever is due; without an id, one that is due at
    /// `now`, the longest due first. MUST wait for a commit of the write `id` that is under way. What is claimed MUST
    /// NOT be committed any more, and is due again after the [`pause`] of its attempts, but no sooner than it was; of many
    /// that claim at once, each due write MUST go to one.
    async fn claim_write(&self, id: Option<WriteId>, now: Timestamp) -> Result<Option<ClaimedWrite>, StoreError>;

    /// Forgets a write that was taken back.
    async fn settle_write(&self, id: WriteId) -> Result<(), StoreError>;

    /// Claims a place that is due at `now`, of the agent if one is named; as [`CustodyStore::claim_write`].
    async fn claim_location(
        &self,
        agent: Option<AgentId>,
        now: Timestamp,
    ) -> Result<Option<ClaimedLocation>, StoreError>;

    /// Forgets a place whose secrets were destroyed. A place of a credential that is not revoked MUST stay, and so MUST one
    /// while a write of the credential is announced: it may bring something there. It is due again then.
    async fn settle_location(&self, credential: CredentialId, location: &SecretLocation) -> Result<(), StoreError>;

    /// What there is to do.
    async fn pending(&self) -> Result<Pending, StoreError>;
}

/// What is done outside after the fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskKind {
    /// A write that was not committed is taken back.
    Undo,
    /// The secrets of a revoked credential are destroyed.
    Destroy,
}

/// A task that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    pub kind: TaskKind,
    pub agent_id: AgentId,
    /// None: it was not learnt what there is to do.
    pub credential_id: Option<CredentialId>,
    pub attempts: u32,
}

/// Why a secret could not be kept, or a task not be done.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    #[error(transparent)]
    Secrets(#[from] SecretError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who is told of tasks: for the log and the metrics.
pub trait CustodyObserver: Send + Sync {
    /// It is done.
    fn done(&self, task: &Task);

    /// It could not be done, and is tried again.
    fn postponed(&self, task: &Task, error: &CustodyError);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let seconds: Vec<u64> = [0, 1, 2, 3, 7, 8, 9, 1_000, u32::MAX].map(|tries| pause(tries).as_secs()).into();
        assert_eq!(seconds, [30, 30, 60, 120, 1_920, 3_600, 3_600, 3_600, 3_600]);
    }
}
