//! Custody of secrets beside the database: announced, written, committed; taken back or destroyed where that is due.

use super::Ambient;
use crate::domain::credential::{Backend, SecretLocation, SecretRef};
use crate::domain::ids::{AgentId, WriteId};
use crate::domain::secret::IssuedSecret;
use crate::domain::time::Timestamp;
use crate::ports::custody::{
    ClaimedLocation, ClaimedWrite, CustodyError, CustodyObserver, CustodyStore, Intent, Pending, Task, TaskKind,
};
use crate::ports::secrets::{SecretError, SecretOwner, SecretStore, SecretWrite};
use crate::ports::storage::StoreError;
use std::sync::Arc;
use std::time::Duration;

/// After this long a request leaves the rest of what it has revoked to [`Custody::reconcile`].
const REQUEST: Duration = Duration::from_secs(2);
/// After this long a pass leaves the rest to the next one.
const PASS: Duration = Duration::from_secs(20);

/// Keeps new secrets, and clears away what no row names any more.
pub struct Custody {
    /// Where new secrets are kept.
    pub current: Arc<dyn SecretStore>,
    /// Every store that may keep older ones, the current one included.
    pub stores: Vec<Arc<dyn SecretStore>>,
    pub records: Arc<dyn CustodyStore>,
    pub observer: Arc<dyn CustodyObserver>,
    pub ambient: Ambient,
}

/// A secret that is kept, but that no row names yet.
#[derive(Debug)]
pub struct Kept {
    pub at: SecretRef,
    /// The announced write that the change of the row has to commit; none: nothing was written outside.
    pub write: Option<WriteId>,
}

impl Custody {
    /// Whether a new secret is written outside the database: before that it is worth asking whether its row would be refused.
    pub fn writes_outside(&self) -> bool {
        self.current.backend().is_outside()
    }

    /// Keeps a new secret of a credential whose row has the revision `from`, or is not there yet. The change that names it
    /// gets [`Kept::write`] into its journal, and its result goes through [`Custody::ended`].
    ///
    /// # Errors
    /// The backend or the database is away, or another write of the credential is under way
    /// ([`StoreError::Stale`]). A write that may have happened all the same is left to [`Custody::reconcile`]: taking it
    /// back at once could overtake it.
    pub async fn keep(
        &self,
        owner: SecretOwner,
        from: Option<i64>,
        secret: &IssuedSecret,
    ) -> Result<Kept, CustodyError> {
        let write = SecretWrite { id: WriteId::new(self.ambient.uuid()), owner };
        let location = self.current.location(owner);
        let announced = location.is_some();
        if let Some(location) = location {
            self.records.announce(&Intent { write, location, at: self.now(), from }).await?;
        }
        match self.current.put(write, secret).await {
            Ok(at) => Ok(Kept { at, write: announced.then_some(write.id) }),
            Err(error) => {
                if announced {
                    // For the next write of the credential to come to its turn.
                    let _given_up = self.records.claim_write(Some(write.id), self.now()).await;
                }
                Err(error.into())
            }
        }
    }

    /// Passes on how the change that was to commit a write has ended, and takes the write back if that was not well.
    pub async fn ended<T, E>(&self, write: Option<WriteId>, change: Result<T, E>) -> Result<T, E> {
        if let (Some(id), Err(_)) = (write, &change) {
            // Claimed first: a commit whose answer was lost has removed the write, and one that is late fails. Without
            // the database nothing is known, and the next pass sees to it.
            if let Ok(Some(claimed)) = self.records.claim_write(Some(id), self.now()).await {
                self.undo(&claimed).await;
            }
        }
        change
    }

    /// Destroys what was revoked of the agent. What cannot be done now is done by [`Custody::reconcile`]: the
    /// revocation counts already.
    pub async fn clear(&self, agent: AgentId) {
        if self.stores.iter().any(|store| store.backend().is_outside()) {
            let result = self.destroy_due(Some(agent), REQUEST).await;
            if let Err(error) = result {
                let task = Task { kind: TaskKind::Destroy, agent_id: agent, credential_id: None, attempts: 0 };
                self.observer.postponed(&task, &error.into());
            }
        }
    }

    /// Takes back every write that was not committed in time and destroys what was revoked, as far as it is due; gives
    /// what is left. Any number of processes may do it at once.
    ///
    /// # Errors
    /// The database is away. That a backend is away is told to the observer, and tried again later.
    pub async fn reconcile(&self) -> Result<Pending, StoreError> {
        let end = self.now().after(PASS);
        while let Some(claimed) = self.records.claim_write(None, self.now()).await? {
            self.undo(&claimed).await;
            if self.now() >= end {
                break;
            }
        }
        self.destroy_due(None, PASS).await?;
        self.records.pending().await
    }

    async fn destroy_due(&self, agent: Option<AgentId>, time: Duration) -> Result<(), StoreError> {
        let end = self.now().after(time);
        while let Some(claimed) = self.records.claim_location(agent, self.now()).await? {
            self.destroy(&claimed).await;
            if self.now() >= end {
                break;
            }
        }
        Ok(())
    }

    async fn undo(&self, claimed: &ClaimedWrite) {
        let ClaimedWrite { write, backend, path, .. } = claimed;
        let undone = async {
            let store = self.store(*backend)?;
            let announced = path.clone().map(|path| SecretLocation { backend: *backend, path });
            // Without a place it lies where the store puts secrets today, unless that has changed since.
            if let Some(location) = announced.or_else(|| store.location(write.owner)) {
                store.undo(write.id, &location).await?;
            }
            Ok(self.records.settle_write(write.id).await?)
        };
        self.tell(TaskKind::Undo, claimed.write.owner, claimed.attempts, undone.await);
    }

    async fn destroy(&self, claimed: &ClaimedLocation) {
        let ClaimedLocation { owner, location, attempts } = claimed;
        let destroyed = async {
            self.store(location.backend)?.destroy(location).await?;
            Ok(self.records.settle_location(owner.credential_id, location).await?)
        };
        self.tell(TaskKind::Destroy, *owner, *attempts, destroyed.await);
    }

    fn tell(&self, kind: TaskKind, owner: SecretOwner, attempts: u32, result: Result<(), CustodyError>) {
        let task = Task { kind, agent_id: owner.agent_id, credential_id: Some(owner.credential_id), attempts };
        match result {
            Ok(()) => self.observer.done(&task),
            Err(error) => self.observer.postponed(&task, &error),
        }
    }

    /// The store of the backend, whichever keeps new secrets.
    fn store(&self, backend: Backend) -> Result<&dyn SecretStore, SecretError> {
        let store = self.stores.iter().find(|store| store.backend() == backend);
        store.map(AsRef::as_ref).ok_or_else(|| {
            SecretError::NotConfigured(format!(
                "secrets lie in `{backend}`; configure it beside the backend of new secrets until they are destroyed"
            ))
        })
    }

    fn now(&self) -> Timestamp {
        self.ambient.clock.now()
    }
}
