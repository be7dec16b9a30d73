//! Another policy in the place of the one in force, while the server runs.

use super::policy::keep;
use super::trial;
use crate::telemetry::causes;
use crate::telemetry::metrics::Metrics;
use agentidp_adapters::rego::{LoadError, PolicySource, Proved, RegoPolicy};
use agentidp_core::domain::audit::Action;
use agentidp_core::domain::caller::RequestContext;
use agentidp_core::domain::json::Json;
use agentidp_core::ports::policy::PolicyEngine;
use agentidp_core::ports::storage::{KeyStore, StoreError};
use agentidp_core::services::Ambient;
use agentidp_core::services::audit::AuditService;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Mutex;

/// What became of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// Another policy is in force.
    Done,
    /// The folder holds what is in force.
    Unchanged,
    /// The folder holds a bad policy: the one that was in force still is.
    Rejected,
    /// There is no folder to read.
    Nothing,
}

/// What a reload needs of the system.
pub struct ReloadServices<'a> {
    pub store: &'a dyn KeyStore,
    pub audit: &'a AuditService,
    pub metrics: &'a Metrics,
    pub ambient: &'a Ambient,
}

/// The folder of a policy in force.
pub struct PolicyFolder {
    rego: Arc<RegoPolicy>,
    folder: PathBuf,
    tried_by: PathBuf,
    /// Held for a whole reload: there is one at a time.
    looks: Mutex<Looks>,
}

/// What the folder was seen to hold.
struct Looks {
    last: Content,
    /// What was last taken or rejected.
    settled: Content,
    /// Why the policy at the last look is bad, if it is: in the log and counted, but not yet on record.
    told: Option<String>,
}

/// The texts of a folder, or why they cannot be read.
type Content = Result<PolicySource, String>;

impl PolicyFolder {
    /// The folder that `rego` was just loaded from.
    pub(super) fn new(rego: Arc<RegoPolicy>, folder: PathBuf, tried_by: PathBuf) -> Self {
        let looks = Looks { last: Ok(rego.source()), settled: Ok(rego.source()), told: None };
        Self { rego, folder, tried_by, looks: Mutex::new(looks) }
    }

    /// Takes what the folder holds, whether or not it was seen before.
    ///
    /// # Errors
    /// The database is away; the policy in force stays.
    pub(super) async fn reload(&self, services: &ReloadServices<'_>) -> Result<Reload, StoreError> {
        let mut looks = self.looks.lock().await;
        let read = self.read().await;
        self.settle(&mut looks, read, services).await
    }

    /// Takes what the folder holds, if that is new and was the same at the last look: whoever is writing files has
    /// written them all then.
    ///
    /// # Errors
    /// As [`PolicyFolder::reload`].
    pub(super) async fn watch(&self, services: &ReloadServices<'_>) -> Result<Reload, StoreError> {
        let mut looks = self.looks.lock().await;
        let read = self.read().await;
        let content = content(&read);
        let steady = std::mem::replace(&mut looks.last, content.clone()) == content;
        if steady && looks.settled != content {
            self.settle(&mut looks, read, services).await
        } else {
            Ok(Reload::Unchanged)
        }
    }

    /// Reading may wait for a slow disk, which requests must not.
    async fn read(&self) -> Result<PolicySource, LoadError> {
        let folder = self.folder.clone();
        trial::apart(move || PolicySource::from_dir(&folder)).await
    }

    async fn settle(
        &self,
        looks: &mut Looks,
        read: Result<PolicySource, LoadError>,
        services: &ReloadServices<'_>,
    ) -> Result<Reload, StoreError> {
        let content = content(&read);
        let reload = match read {
            Ok(source) if source == self.rego.source() => {
                if looks.settled != content {
                    tracing::info!("the folder holds the policy in force again");
                }
                Reload::Unchanged
            }
            read => match self.take(read, services).await? {
                Ok(reload) => reload,
                Err(error) => looks.reject(&error, services).await?,
            },
        };
        looks.told = None;
        (looks.last, looks.settled) = (content.clone(), content);
        Ok(reload)
    }

    /// Proves a policy, records it and then puts it in force; decisions under way end under the old one. The inner error
    /// is that of a bad one, which changes nothing.
    async fn take(
        &self,
        read: Result<PolicySource, LoadError>,
        services: &ReloadServices<'_>,
    ) -> Result<Result<Reload, LoadError>, StoreError> {
        let proved = match read {
            Ok(source) => trial::prove(source, &self.tried_by).await,
            Err(error) => Err(error),
        };
        match proved {
            Ok(proved) if proved.hash() == self.rego.hash() => {
                // The same policy with other tests.
                self.rego.replace(proved);
                Ok(Ok(Reload::Unchanged))
            }
            Ok(proved) => self.replace(proved, services).await.map(|()| Ok(Reload::Done)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn replace(&self, proved: Proved, services: &ReloadServices<'_>) -> Result<(), StoreError> {
        let (from, to) = (self.rego.hash(), proved.hash().to_owned());
        keep(services.store, &to, proved.source(), services.ambient).await?;
        let mut event = services.ambient.event(Action::PolicyReloaded, &RequestContext::default());
        event.policy_hash = Some(to.clone());
        services.audit.write(event.with([("from", Json::text(&from)), ("to", Json::text(&to))])).await?;
        self.rego.replace(proved);
        services.metrics.policy_reload("reloaded");
        tracing::info!(policy = to, before = from, "another policy is in force");
        Ok(())
    }
}

impl Looks {
    /// Tells of a bad policy, and then puts it on record. While that fails it is told no second time.
    async fn reject(&mut self, error: &LoadError, services: &ReloadServices<'_>) -> Result<Reload, StoreError> {
        let cause = causes(error);
        if self.told.as_ref() != Some(&cause) {
            services.metrics.policy_reload("rejected");
            tracing::error!(cause, "the policy was not changed");
            self.told = Some(cause.clone());
        }
        let event = services.ambient.event(Action::PolicyRejected, &RequestContext::default()).failed("bad_policy");
        services.audit.write(event.with([("problem", Json::text(cause))])).await?;
        Ok(Reload::Rejected)
    }
}

fn content(read: &Result<PolicySource, LoadError>) -> Content {
    match read {
        Ok(source) => Ok(source.clone()),
        Err(error) => Err(causes(error)),
    }
}
