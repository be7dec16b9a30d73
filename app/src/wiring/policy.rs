//! The policy, loaded and proved.

use super::StartError;
use crate::config::{Config, PolicyEngineKind};
use crate::telemetry::causes;
use agentidp_adapters::rego::suite::{self, TestFile, TestResult};
use agentidp_adapters::rego::{LoadError, PolicySource, RegoPolicy};
use agentidp_adapters::table::TablePolicy;
use agentidp_core::domain::audit::Action;
use agentidp_core::domain::caller::RequestContext;
use agentidp_core::domain::json::Json;
use agentidp_core::domain::scope::Scope;
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
        let source = source_of(config.policy.folder.as_deref())?;
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

    /// Reads the folder anew. A policy that proves good is recorded and then put in force; decisions under way end
    /// under the old one. A bad one is recorded too, and changes nothing.
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

/// A policy to ask about requests that nobody makes.
pub struct GivenPolicy {
    pub engine: Arc<dyn PolicyEngine>,
    /// The scopes that its data names.
    pub scopes: Vec<Scope>,
}

impl From<RegoPolicy> for GivenPolicy {
    fn from(policy: RegoPolicy) -> Self {
        Self { scopes: policy.scopes(), engine: Arc::new(policy) }
    }
}

/// The policy in `folder`, or the one in this program.
fn source_of(folder: Option<&Path>) -> Result<PolicySource, LoadError> {
    folder.map_or_else(|| Ok(PolicySource::builtin()), PolicySource::from_dir)
}

/// Parses, compiles and tries the policy in `folder`, or the one in this program.
///
/// # Errors
/// It is missing or bad.
pub fn given_policy(folder: Option<&Path>) -> Result<GivenPolicy, StartError> {
    Ok(RegoPolicy::new(source_of(folder)?)?.into())
}

/// The same; says its hash.
///
/// # Errors
/// As [`given_policy`].
pub fn prove_policy(folder: Option<&Path>) -> Result<String, StartError> {
    Ok(given_policy(folder)?.engine.hash())
}

/// Runs the tests beside the policy in `folder`, or those of the one in this program.
///
/// # Errors
/// The policy or its tests are missing or do not compile.
pub fn test_policy(folder: Option<&Path>) -> Result<Vec<TestResult>, StartError> {
    let files = folder.map_or_else(|| Ok(TestFile::builtin()), TestFile::from_dir)?;
    Ok(suite::run(&source_of(folder)?, &files)?)
}

/// The policy that was in force under `hash`, be it Rego or the table.
///
/// # Errors
/// None is kept that this program can run, or the database is away.
pub async fn kept_policy(store: &dyn KeyStore, hash: &str) -> Result<GivenPolicy, StartError> {
    let unknown = || StartError::PolicyNotKept(hash.to_owned());
    let kept = store.find_policy(hash).await?.ok_or_else(unknown)?;
    let table = TablePolicy::new(&kept.data)?;
    let rego = RegoPolicy::kept(PolicySource::new(kept.rego, kept.data))?;
    if rego.hash() == hash {
        Ok(rego.into())
    } else if table.hash() == hash {
        Ok(GivenPolicy { scopes: rego.scopes(), engine: Arc::new(table) })
    } else {
        Err(unknown())
    }
}
