//! The policy, loaded and proved.

use super::StartError;
use crate::config::{Config, PolicyEngineKind};
use agentidp_adapters::rego::{PolicySource, RegoPolicy};
use agentidp_adapters::table::TablePolicy;
use agentidp_core::ports::policy::PolicyEngine;
use std::path::Path;
use std::sync::Arc;

/// Loads and proves the policy.
///
/// # Errors
/// It is missing or bad.
pub fn load(config: &Config) -> Result<(Arc<dyn PolicyEngine>, PolicySource), StartError> {
    let source = match &config.policy.folder {
        Some(folder) => PolicySource::from_dir(folder)?,
        None => PolicySource::builtin(),
    };
    let engine: Arc<dyn PolicyEngine> = match config.policy.engine {
        PolicyEngineKind::Rego => Arc::new(RegoPolicy::new(source.clone())?),
        PolicyEngineKind::Table if source.rego != PolicySource::builtin().rego => {
            return Err(StartError::TableIgnoresRego);
        }
        PolicyEngineKind::Table => Arc::new(TablePolicy::new(&source.data)?),
    };
    Ok((engine, source))
}

/// Parses, compiles and tries the policy in `folder`, or the one in this program; says its hash.
///
/// # Errors
/// It is missing or bad.
pub fn prove_policy(folder: Option<&Path>) -> Result<String, StartError> {
    let source = folder.map_or_else(|| Ok(PolicySource::builtin()), PolicySource::from_dir)?;
    Ok(RegoPolicy::new(source)?.hash())
}
