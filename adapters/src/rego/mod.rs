//! The policy as Rego: `policies/authz.rego` with `policies/data/scopes.json`, compiled for the virtual machine of
//! regorus. A policy is proved before it is used and swapped as a whole; a decision is made in memory, without I/O.

mod builtins;
mod cycles;
mod decision;
mod probes;
mod program;
mod recursion;
mod source;
pub mod suite;

use agentidp_core::domain::scope::Scope;
use agentidp_core::ports::policy::{Decided, Decision, PolicyEngine, PolicyError, PolicyInput};
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
    #[error("rules stand in authz.rego and their tests in files named …_test.rego; `{0}` is neither, and not read")]
    Unread(String),
    #[error("the policy data cannot be used: {0}")]
    Data(String),
    #[error("the policy does not compile: {0}")]
    Compile(String),
    #[error("the policy failed its trial decision `{probe}`: {problem}")]
    Probe { probe: &'static str, problem: String },
    #[error("the policy fails its own tests: {0}")]
    Tests(String),
    #[error("{0}")]
    Trial(String),
}

/// A policy that may be put in force.
pub struct Proved(Loaded);

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

    fn decided(&self, decide: impl FnOnce(&Program) -> Result<Decision, String>) -> Result<Decided, PolicyError> {
        let policy_hash = self.hash.clone();
        match decide(&self.program) {
            Ok(decision) => Ok(Decided { decision, policy_hash }),
            Err(problem) => Err(PolicyError { problem, policy_hash }),
        }
    }
}

impl Proved {
    /// Parses and compiles a policy and makes its trial decisions. Each of them is bounded.
    ///
    /// # Errors
    /// The policy does not parse or compile, or fails a trial decision.
    pub fn new(source: PolicySource) -> Result<Self, LoadError> {
        let loaded = Loaded::compile(source)?;
        probes::prove(&loaded.program)?;
        Ok(Self(loaded))
    }

    /// Makes the trial decisions again by the interpreter of regorus, which must agree, and runs the tests of the policy.
    /// Nothing bounds the memory that this takes, and nothing the time and the stack that parsing takes: a server does both in
    /// another process first.
    ///
    /// # Errors
    /// The interpreter does not agree, or a test does not hold.
    pub fn interpret(&self) -> Result<(), LoadError> {
        probes::agree(&self.0.program)?;
        suite::prove(&self.0.source)
    }

    /// The texts of the policy, to be kept under its hash.
    pub fn source(&self) -> &PolicySource {
        &self.0.source
    }

    /// SHA-256, in hex, of the policy and its data.
    pub fn hash(&self) -> &str {
        &self.0.hash
    }
}

/// Decides by the policy that was loaded last.
pub struct RegoPolicy {
    current: ArcSwap<Loaded>,
}

impl From<Proved> for RegoPolicy {
    fn from(Proved(loaded): Proved) -> Self {
        Self { current: ArcSwap::from_pointee(loaded) }
    }
}

impl RegoPolicy {
    /// Proves a policy and takes it.
    ///
    /// # Errors
    /// As [`Proved::new`].
    pub fn new(source: PolicySource) -> Result<Self, LoadError> {
        Ok(Proved::new(source)?.into())
    }

    /// Takes a policy without proof, to ask about requests that nobody makes: one that was in force once, or one that
    /// somebody works at.
    ///
    /// # Errors
    /// The policy does not parse or does not compile.
    pub fn unproved(source: PolicySource) -> Result<Self, LoadError> {
        Ok(Self { current: ArcSwap::from_pointee(Loaded::compile(source)?) })
    }

    /// The scopes that the data of the policy names, in alphabetical order.
    pub fn scopes(&self) -> Vec<Scope> {
        self.current.load().program.scopes()
    }

    /// The texts of the policy in force.
    pub fn source(&self) -> PolicySource {
        self.current.load().source.clone()
    }

    /// Puts another policy in force; decisions under way end under the old one.
    pub fn replace(&self, Proved(loaded): Proved) {
        self.current.store(Arc::new(loaded));
    }

    /// Decides by the interpreter of regorus in place of its virtual machine: slower, older, and to the same end.
    ///
    /// # Errors
    /// As [`PolicyEngine::decide`].
    pub fn decide_interpreted(&self, input: &PolicyInput) -> Result<Decided, PolicyError> {
        self.current.load().decided(|program| program.interpret(input))
    }
}

#[autometrics]
impl PolicyEngine for RegoPolicy {
    fn decide(&self, input: &PolicyInput) -> Result<Decided, PolicyError> {
        self.current.load().decided(|program| program.decide(input))
    }

    #[skip_autometrics]
    fn hash(&self) -> String {
        self.current.load().hash.clone()
    }
}
