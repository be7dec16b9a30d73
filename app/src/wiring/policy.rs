//! The policy, loaded and proved.

use super::StartError;
use crate::config::{Config, PolicyEngineKind};
use crate::telemetry::causes;
use agentidp_adapters::rego::{LoadError, PolicySource, RegoPolicy};
use agentidp_adapters::table::TablePolicy;
use agentidp_core::domain::audit::Action;
use agentidp_core::domain::caller::RequestContext;
use agentidp_core::domain::json::Json;
use agentidp_core::ports::policy::PolicyEngine;
use agentidp_core::ports::storage::{KeyStore, StoreError};
use agentidp_core::services::Ambient;
use agentidp_core::services::audit::AuditService;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The policy in force, and where another one comes from.
#[derive(Clone)]
pub struct Policy {
    pub engine: Arc<dyn PolicyEngine>,
    /// None for the policy of the program and for the table: there is nothing to read anew.
    reloads: Option<(Arc<RegoPolicy>, PathBuf)>,
}

/// What became of a reload.
#[derive(Debug)]
pub enum Reload {
    /// Another policy is in force; its hash.
    Done(String),
    /// The folder holds what is in force.
    Unchanged,
    /// There is no folder to read.
    Nothing,
}

/// Why the policy that was in force still is.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error("the new policy cannot be used")]
    Rejected(#[from] LoadError),
    #[error("the new policy cannot be recorded")]
    Unavailable(#[from] StoreError),
}

impl Policy {
    /// Loads and proves the policy of the configuration, and keeps it under its hash.
    ///
    /// # Errors
    /// It is missing or bad, or the database is away.
    pub async fn load(config: &Config, store: &dyn KeyStore, ambient: &Ambient) -> Result<Self, StartError> {
        let source = match &config.policy.folder {
            Some(folder) => PolicySource::from_dir(folder)?,
            None => PolicySource::builtin(),
        };
        let policy = match config.policy.engine {
            PolicyEngineKind::Rego => {
                let rego = Arc::new(RegoPolicy::new(source.clone())?);
                let reloads = config.policy.folder.clone().map(|folder| (Arc::clone(&rego), folder));
                Self { engine: rego, reloads }
            }
            PolicyEngineKind::Table if source.rego != PolicySource::builtin().rego => {
                return Err(StartError::TableIgnoresRego);
            }
            PolicyEngineKind::Table => Self { engine: Arc::new(TablePolicy::new(&source.data)?), reloads: None },
        };
        keep(store, &policy.engine.hash(), &source, ambient).await?;
        Ok(policy)
    }

    /// Reads the folder anew. A policy that proves good is recorded and then put in force; decisions under way end under
    /// the old one. A bad one is recorded too, and changes nothing.
    ///
    /// # Errors
    /// The policy is bad, or the database is away; the old policy stays in force.
    pub async fn reload(
        &self,
        store: &dyn KeyStore,
        audit: &AuditService,
        ambient: &Ambient,
    ) -> Result<Reload, ReloadError> {
        let Some((rego, folder)) = &self.reloads else { return Ok(Reload::Nothing) };
        let proved = PolicySource::from_dir(folder).and_then(|source| RegoPolicy::new(source.clone()).map(|_| source));
        let source = match proved {
            Ok(source) => source,
            Err(error) => {
                let event = ambient.event(Action::PolicyRejected, &RequestContext::default()).failed("bad_policy");
                audit.write(event.with([("problem", Json::text(causes(&error)))])).await?;
                return Err(error.into());
            }
        };
        let hash = source.hash();
        if hash == rego.hash() {
            return Ok(Reload::Unchanged);
        }
        keep(store, &hash, &source, ambient).await?;
        let mut event = ambient.event(Action::PolicyReloaded, &RequestContext::default());
        event.policy_hash = Some(hash.clone());
        audit.write(event.with([("from", Json::text(rego.hash())), ("to", Json::text(&hash))])).await?;
        rego.replace(source)?;
        Ok(Reload::Done(hash))
    }
}

async fn keep(store: &dyn KeyStore, hash: &str, source: &PolicySource, ambient: &Ambient) -> Result<(), StoreError> {
    store.keep_policy(hash, &source.rego, &source.data, ambient.clock.now()).await
}

/// Parses, compiles and tries the policy in `folder`, or the one in this program; says its hash.
///
/// # Errors
/// It is missing or bad.
pub fn prove_policy(folder: Option<&Path>) -> Result<String, StartError> {
    let source = folder.map_or_else(|| Ok(PolicySource::builtin()), PolicySource::from_dir)?;
    Ok(RegoPolicy::new(source)?.hash())
}
