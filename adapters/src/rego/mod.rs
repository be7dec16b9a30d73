//! The policy as Rego: `policies/authz.rego` with `policies/data/scopes.json`, compiled for the virtual machine of
//! regorus. A policy is proved before it is used and swapped as a whole; a decision is made in memory, without I/O.

mod cycles;
mod decision;
mod probes;
mod program;
mod source;
pub mod suite;

use agentidp_core::domain::scope::Scope;
use agentidp_core::ports::policy::{Decided, PolicyEngine, PolicyError, PolicyInput};
use arc_swap::ArcSwap;
use autometrics::autometrics;
use program::Program;
pub use source::PolicySource;
use std::sync::Arc;

/// Why a policy was not taken. The message names the file, the line and the column where they are known.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read the policy file `{path}`")]
    Read { path: String, source: std::io::Error },
    #[error("the policy data is no JSON object: {0}")]
    Data(String),
    #[error("the policy does not compile: {0}")]
    Compile(String),
    #[error("the policy failed its trial decision `{probe}`: {problem}")]
    Probe { probe: &'static str, problem: String },
}

/// Decides by the policy that was loaded last.
pub struct RegoPolicy {
    current: ArcSwap<Loaded>,
}

struct Loaded {
    program: Program,
    source: PolicySource,
    hash: String,
}

impl Loaded {
    fn compile(source: PolicySource) -> Result<Self, LoadError> {
        let program = Program::compile(&source)?;
        let hash = source.hash();
        Ok(Self { program, source, hash })
    }

    fn prove(source: PolicySource) -> Result<Self, LoadError> {
        let loaded = Self::compile(source)?;
        probes::prove(&loaded.program)?;
        Ok(loaded)
    }
}

impl RegoPolicy {
    /// Parses, compiles and proves a policy.
    ///
    /// # Errors
    /// The policy does not parse, does not compile or fails a trial decision.
    pub fn new(source: PolicySource) -> Result<Self, LoadError> {
        Ok(Self { current: ArcSwap::from_pointee(Loaded::prove(source)?) })
    }

    /// Takes a policy that was in force before. It was proved then; trials that were added since do not keep its
    /// decisions from being made again.
    ///
    /// # Errors
    /// The policy does not parse or does not compile.
    pub fn kept(source: PolicySource) -> Result<Self, LoadError> {
        Ok(Self { current: ArcSwap::from_pointee(Loaded::compile(source)?) })
    }

    /// The scopes that the data of the policy names, in alphabetical order.
    pub fn scopes(&self) -> Vec<Scope> {
        self.current.load().program.scopes()
    }

    /// Proves another policy and puts it in force; decisions under way end under the old one.
    ///
    /// # Errors
    /// As [`RegoPolicy::new`]; the old policy stays in force.
    pub fn replace(&self, source: PolicySource) -> Result<(), LoadError> {
        self.current.store(Arc::new(Loaded::prove(source)?));
        Ok(())
    }

    /// The texts of the policy in force, to be kept under its hash.
    pub fn source(&self) -> PolicySource {
        self.current.load().source.clone()
    }

    /// Decides by the interpreter of regorus in place of its virtual machine: slower, older, and to the same end.
    ///
    /// # Errors
    /// As [`PolicyEngine::decide`].
    pub fn decide_interpreted(&self, input: &PolicyInput) -> Result<Decided, PolicyError> {
        let current = self.current.load();
        let decision = current.program.interpret(input).map_err(PolicyError)?;
        Ok(Decided { decision, policy_hash: current.hash.clone() })
    }
}

#[autometrics]
impl PolicyEngine for RegoPolicy {
    fn decide(&self, input: &PolicyInput) -> Result<Decided, PolicyError> {
        let current = self.current.load();
        let decision = current.program.run(input).map_err(PolicyError)?;
        Ok(Decided { decision, policy_hash: current.hash.clone() })
    }

    #[skip_autometrics]
    fn hash(&self) -> String {
        self.current.load().hash.clone()
    }
}
