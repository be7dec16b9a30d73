use super::Metered;
use agentidp_core::domain::agent::Agent;
use agentidp_core::domain::audit::AuditEvent;
use agentidp_core::domain::credential::Credential;
use agentidp_core::domain::key::StoredKey;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::storage::{Journal, KeptPolicy, KeyRevocation, KeyStore, Spare, StoreError, StoreHealth};
use async_trait::async_trait;

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: KeyStore> KeyStore for Metered<S> {
    async fn list(&self) -> Result<Vec<StoredKey>, StoreError> {
        self.observe("key_list", self.inner.list()).await
    }

    async fn insert_first(&self, key: &StoredKey) -> Result<bool, StoreError> {
        self.observe("key_insert_first", self.inner.insert_first(key)).await
    }

    async fn insert(&self, key: &StoredKey, event: &AuditEvent) -> Result<(), StoreError> {
        self.observe("key_insert", self.inner.insert(key, event)).await
    }

    async fn insert_after(&self, after: &str, key: &StoredKey, event: &AuditEvent) -> Result<bool, StoreError> {
        self.observe("key_insert_after", self.inner.insert_after(after, key, event)).await
    }

    async fn revoke(&self, kid: &str, event: &AuditEvent, spare: &Spare) -> Result<KeyRevocation, StoreError> {
        self.observe("key_revoke", self.inner.revoke(kid, event, spare)).await
    }

    async fn reseal(&self, key: &StoredKey, was: &str) -> Result<bool, StoreError> {
        self.observe("key_reseal", self.inner.reseal(key, was)).await
    }

    async fn master_key_ids(&self) -> Result<Vec<String>, StoreError> {
        self.observe("key_master_key_ids", self.inner.master_key_ids()).await
    }

    async fn keep_policy(&self, hash: &str, rego: &str, data: &str, at: Timestamp) -> Result<(), StoreError> {
        self.observe("key_keep_policy", self.inner.keep_policy(hash, rego, data, at)).await
    }

    async fn find_policy(&self, hash: &str) -> Result<Option<KeptPolicy>, StoreError> {
        self.observe("key_find_policy", self.inner.find_policy(hash)).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: StoreHealth> StoreHealth for Metered<S> {
    async fn ping(&self) -> Result<(), StoreError> {
        self.observe("health_ping", self.inner.ping()).await
    }

    async fn has_administrator(&self) -> Result<bool, StoreError> {
        self.observe("health_has_administrator", self.inner.has_administrator()).await
    }

    async fn bootstrap(
        &self,
        agent: &Agent,
        credential: &Credential,
        recover: bool,
        journal: &Journal,
    ) -> Result<bool, StoreError> {
        self.observe("health_bootstrap", self.inner.bootstrap(agent, credential, recover, journal)).await
    }
}
