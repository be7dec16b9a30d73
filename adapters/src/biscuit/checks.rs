//! Checks: one run for each scope, for a check must see one candidate and no other; if none can, one run for all.

use super::vocabulary::date;
use agentidp_core::domain::scope::{Scope, ScopeSet};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::biscuits::{BiscuitChecks, RequestFacts, Undecided};
use biscuit_auth::builder::{AuthorizerBuilder, fact, string};
use biscuit_auth::{AuthorizerLimits, Biscuit, error};
use std::time::{Duration, Instant};

/// How long all candidates of one Biscuit may take together, on the wall's clock. What they may cost is bounded before
/// and takes a small part of this, some 100 ms without optimisation at most; the rest is for a busy machine, on which a
/// shorter limit leaves good Biscuits undecided.
const MAX_TIME: Duration = Duration::from_secs(2);
/// The fact that tells a check which scope is the candidate.
pub const CANDIDATE: &str = "requested";

pub struct Checks {
    pub biscuit: Biscuit,
    pub scopes: ScopeSet,
    pub expires_at: Timestamp,
    /// Whether the checks can see which scope is the candidate.
    pub see_candidate: bool,
}

impl BiscuitChecks for Checks {
    fn passing(&self, facts: &RequestFacts) -> Result<ScopeSet, Undecided> {
        if facts.time >= self.expires_at {
            return Ok(ScopeSet::default());
        }
        // The first block has but that one check. Most Biscuits have no other block, and need no run.
        if self.biscuit.block_count() == 1 {
            return Ok(self.scopes.clone());
        }
        if !self.see_candidate {
            let all = self.scopes.iter().next().map(|any| self.passes(any, facts, MAX_TIME)).transpose()?;
            return Ok(if all == Some(true) { self.scopes.clone() } else { ScopeSet::default() });
        }
        let start = Instant::now();
        let mut passing = Vec::new();
        for scope in self.scopes.iter() {
            let left = MAX_TIME.checked_sub(start.elapsed()).ok_or(Undecided)?;
            if self.passes(scope, facts, left)? {
                passing.push(scope.clone());
            }
        }
        Ok(passing.into_iter().collect())
    }
}

impl Checks {
    /// A check that cannot be evaluated, because it compares what cannot be compared, is one that fails.
    fn passes(&self, scope: &Scope, facts: &RequestFacts, max_time: Duration) -> Result<bool, Undecided> {
        // No Biscuit reaches the first two: rules are refused, and a fact of its own takes ten of its 8,192 bytes.
        let limits = AuthorizerLimits { max_facts: 1_000, max_iterations: 100, max_time };
        let run = authorizer(scope, facts).and_then(|builder| builder.set_limits(limits).build(&self.biscuit));
        match run.and_then(|mut authorizer| authorizer.authorize()) {
            Ok(_) => Ok(true),
            Err(error::Token::RunLimit(_)) => Err(Undecided),
            Err(_) => Ok(false),
        }
    }
}

/// The facts of the request. The one policy is that nothing but checks refuses.
fn authorizer(scope: &Scope, facts: &RequestFacts) -> Result<AuthorizerBuilder, error::Token> {
    let named = [("operation", &facts.operation), ("target", &facts.target), ("resource", &facts.resource)];
    let known = named.into_iter().filter_map(|(name, text)| Some(fact(name, &[string(text.as_deref()?)])));
    let always = [fact("time", &[date(facts.time)]), fact(CANDIDATE, &[string(scope.as_str())])];
    known.chain(always).try_fold(AuthorizerBuilder::new(), AuthorizerBuilder::fact)?.policy("allow if true")
}
