use super::Metered;
use agentidp_core::domain::audit::AuditEvent;
use agentidp_core::domain::idempotency::{IdempotencyKey, IdempotencyRecord};
use agentidp_core::domain::ids::{AgentId, CredentialId};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::domain::token::Standing;
use agentidp_core::ports::storage::{IdempotencyStore, Issue, Revocation, StoreError, TokenStore};
use async_trait::async_trait;

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: TokenStore> TokenStore for Metered<S> {
    async fn standing(
        &self,
        agent: AgentId,
        credential: CredentialId,
        token_ids: &[String],
    ) -> Result<Option<Standing>, StoreError> {
        self.observe("token_standing", self.inner.standing(agent, credential, token_ids)).await
    }

    async fn record_issue(&self, issue: &Issue) -> Result<(), StoreError> {
        self.observe("token_record_issue", self.inner.record_issue(issue)).await
    }

    async fn note_use(&self, credential: CredentialId, at: Timestamp) -> Result<(), StoreError> {
        self.observe("token_note_use", self.inner.note_use(credential, at)).await
    }

    async fn revoke(&self, revocation: &Revocation, event: &AuditEvent) -> Result<(), StoreError> {
        self.observe("token_revoke", self.inner.revoke(revocation, event)).await
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.observe("token_purge", self.inner.purge(now)).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: IdempotencyStore> IdempotencyStore for Metered<S> {
    async fn find(
        &self,
        caller: AgentId,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.observe("idempotency_find", self.inner.find(caller, key, now)).await
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.observe("idempotency_purge", self.inner.purge(now)).await
    }
}
