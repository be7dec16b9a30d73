//! The policy, loaded and proved.

use super::StartError;
use super::reload::{PolicyFolder, Reload, ReloadServices};
use super::trial;
use crate::config::{Config, PolicyEngineKind};
use agentidp_adapters::rego::suite::{self, TestFile, TestResult};
use agentidp_adapters::rego::{LoadError, PolicySource, Proved, RegoPolicy};
use agentidp_adapters::table::TablePolicy;
use agentidp_core::domain::scope::Scope;
use agentidp_core::ports::policy::PolicyEngine;
use agentidp_core::ports::storage::{KeyStore, StoreError};
use agentidp_core::services::Ambient;
use std::path::Path;
use std::sync::Arc;

/// The policy in force, and where another one comes from.
#[derive(Clone)]
pub struct Policy {
    pub engine: Arc<dyn PolicyEngine>,
    /// None for the policy of the program and for the table: there is nothing to read anew.
    folder: Option<Arc<PolicyFolder>>,
}

impl Policy {
    /// Loads and proves the policy of the configuration, and keeps it under its hash.
    ///
    /// # Errors
    /// It is missing or bad, or the database is away.
    pub async fn load(config: &Config, store: &dyn KeyStore, ambient: &Ambient) -> Result<Self, StartError> {
        let source = source_of(config.policy.folder.as_deref())?;
        let policy = match (config.policy.engine, config.policy.folder.clone()) {
            (PolicyEngineKind::Rego, None) => Self { engine: Arc::new(RegoPolicy::new(source.clone())?), folder: None },
            (PolicyEngineKind::Rego, Some(folder)) => {
                let tried_by = config.policy.tried_by.clone();
                let rego = Arc::new(RegoPolicy::from(trial::prove(source.clone(), &tried_by).await?));
                let folder = PolicyFolder::new(Arc::clone(&rego), folder, tried_by);
                Self { engine: rego, folder: Some(Arc::new(folder)) }
            }
            (PolicyEngineKind::Table, _) if source.rego != PolicySource::builtin().rego => {
                return Err(StartError::TableIgnoresRego);
            }
            (PolicyEngineKind::Table, _) => Self { engine: Arc::new(TablePolicy::new(&source.data)?), folder: None },
        };
        keep(store, &policy.engine.hash(), &source, ambient).await?;
        Ok(policy)
    }

    /// Reads the folder anew.
    ///
    /// # Errors
    /// The database is away; the policy in force stays.
    pub async fn reload(&self, services: &ReloadServices<'_>) -> Result<Reload, StoreError> {
        match &self.folder {
            Some(folder) => folder.reload(services).await,
            None => Ok(Reload::Nothing),
        }
    }

    /// Looks whether the folder holds something new, and takes that when it is no longer being written.
    ///
    /// # Errors
    /// The database is away; the policy in force stays.
    pub async fn watch(&self, services: &ReloadServices<'_>) -> Result<Reload, StoreError> {
        match &self.folder {
            Some(folder) => folder.watch(services).await,
            None => Ok(Reload::Nothing),
        }
    }
}

pub(super) async fn keep(
    store: &dyn KeyStore,
    hash: &str,
    source: &PolicySource,
    ambient: &Ambient,
) -> Result<(), StoreError> {
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

/// The policy in `folder`, or the one in this program. It was not tried.
///
/// # Errors
/// It is missing or does not compile.
pub fn given_policy(folder: Option<&Path>) -> Result<GivenPolicy, StartError> {
    Ok(RegoPolicy::unproved(source_of(folder)?)?.into())
}

/// The files of the policy in this program: where they lie in its folder, and their texts.
pub fn builtin_policy_files() -> [(&'static str, &'static str); 3] {
    PolicySource::BUILTIN
}

/// Proves the policy in `folder`, or the one in this program, as a server does before it takes it; says its hash.
///
/// # Errors
/// It is missing or bad.
pub fn prove_policy(folder: Option<&Path>) -> Result<String, StartError> {
    let proved = Proved::new(source_of(folder)?)?;
    proved.interpret()?;
    Ok(proved.hash().to_owned())
}

/// Runs the tests beside the policy in `folder`, or those of the one in this program; says its hash too.
///
/// # Errors
/// The policy or its tests are missing or do not compile, or the policy fails a trial decision.
pub fn test_policy(folder: Option<&Path>) -> Result<(String, Vec<TestResult>), StartError> {
    let mut source = source_of(folder)?;
    let own = std::mem::take(&mut source.tests);
    let tests = if folder.is_some() { own } else { TestFile::builtin() };
    let proved = Proved::new(source)?;
    Ok((proved.hash().to_owned(), suite::run(proved.source(), &tests)?))
}

/// The policy that was in force under `hash`, be it Rego or the table.
///
/// # Errors
/// None is kept that this program can run, or the database is away.
pub async fn kept_policy(store: &dyn KeyStore, hash: &str) -> Result<GivenPolicy, StartError> {
    let unknown = || StartError::PolicyNotKept(hash.to_owned());
    let kept = store.find_policy(hash).await?.ok_or_else(unknown)?;
    let rego = RegoPolicy::unproved(PolicySource::new(kept.rego, kept.data.clone()))?;
    if rego.hash() == hash {
        return Ok(rego.into());
    }
    let table = TablePolicy::new(&kept.data)?;
    if table.hash() == hash {
        Ok(GivenPolicy { scopes: rego.scopes(), engine: Arc::new(table) })
    } else {
        Err(unknown())
    }
}
