//! Minting and reading of Biscuits.

use super::tokens::{SignError, TokenText};
use crate::domain::ids::TokenId;
use crate::domain::scope::ScopeSet;
use crate::domain::time::Timestamp;
use crate::domain::token::Claims;
use std::sync::Arc;

/// Mints Biscuits. No I/O: keys are in memory.
pub trait BiscuitMinter: Send + Sync {
    /// Mints a Biscuit of `claims`, made from the token `parent`, with the root key that is active now.
    ///
    /// # Errors
    /// There is no such key, it does not sign, or the Biscuit would be too long to be read.
    fn mint(&self, claims: &Claims, parent: TokenId) -> Result<TokenText, SignError>;
}

/// Reads Biscuits. No I/O: keys are in memory.
pub trait BiscuitReader: Send + Sync {
    /// A Biscuit whose first block a root key of this issuer signed, or none. It MUST be none for another signature,
    /// root key or issuer, for a first block that is not one of those minted here, for every spelling but that of its
    /// bytes, and for blocks whose checks could cost more than a fixed amount of work. Time, audience and checks are
    /// the caller's to judge.
    fn read(&self, token: &str) -> Option<ReadBiscuit>;

    /// The public halves of all root keys that verify, in JSON: `{"keys":[{"keyId","algorithm","publicKey"}]}`.
    fn key_set(&self) -> String;
}

/// A Biscuit with good signatures.
#[derive(Clone)]
pub struct ReadBiscuit {
    /// What its first block says.
    pub claims: Claims,
    /// The token that it was made from.
    pub parent: TokenId,
    /// The ids of its blocks in hexadecimal, the first block first. Whoever holds the Biscuit can add a block, which
    /// has an id of its own, and can change no other.
    pub blocks: Vec<String>,
    pub checks: Arc<dyn BiscuitChecks>,
}

/// The checks in the blocks of a Biscuit.
pub trait BiscuitChecks: Send + Sync {
    /// The scopes of the first block whose candidate passes every check of every block under `facts`. A check on a fact
    /// that is not there MUST fail. What a later block states MUST count for nothing but its own checks.
    ///
    /// # Errors
    /// The work met its limit in time. Nothing is known then; it MUST NOT look like a scope that does not pass.
    fn passing(&self, facts: &RequestFacts) -> Result<ScopeSet, Undecided>;
}

/// What the server says about a request, for checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFacts {
    /// The operationId.
    pub operation: Option<String>,
    /// The agent that the request is about.
    pub target: Option<String>,
    /// The audience that is asked for.
    pub resource: Option<String>,
    pub time: Timestamp,
}

/// Checks did not come to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the checks of a Biscuit met their limit in time")]
pub struct Undecided;

impl std::fmt::Debug for ReadBiscuit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadBiscuit")
            .field("claims", &self.claims)
            .field("parent", &self.parent)
            .finish_non_exhaustive()
    }
}
