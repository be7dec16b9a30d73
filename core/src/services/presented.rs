//! A token that somebody presents: what it is, and whether it lives. Audience and visibility are judged by who asks.

use super::freshness::Freshness;
use crate::domain::agent::Agent;
use crate::domain::caller::TokenType;
use crate::domain::scope::ScopeSet;
use crate::domain::token::{Claims, Standing};
use crate::ports::biscuits::{BiscuitReader, ReadBiscuit, RequestFacts, Undecided};
use crate::ports::clock::Clock;
use crate::ports::storage::{StoreError, TokenStore};
use crate::ports::tokens::TokenVerifier;
use std::sync::Arc;

/// Reads presented tokens.
pub struct PresentedTokens {
    pub tokens: Arc<dyn TokenStore>,
    pub verifier: Arc<dyn TokenVerifier>,
    pub biscuits: Arc<dyn BiscuitReader>,
    pub clock: Arc<dyn Clock>,
    pub freshness: Arc<Freshness>,
}

/// What became of a presented text.
#[derive(Debug)]
pub enum Presented {
    /// It is no token of this issuer, or one of an agent that never was.
    Unknown,
    /// It was a token of this agent.
    Dead(Agent),
    Live(Box<LiveToken>),
}

/// A token that lives.
#[derive(Debug)]
pub struct LiveToken {
    pub claims: Claims,
    pub standing: Standing,
    /// The blocks and checks, if it is a Biscuit.
    biscuit: Option<ReadBiscuit>,
}

impl PresentedTokens {
    /// What `text` is now. A JWT has dots and a Biscuit has none.
    ///
    /// # Errors
    /// The database is away, or was for so long that the keys in memory may be others by now.
    pub async fn look_at(&self, text: &str) -> Result<Presented, StoreError> {
        self.freshness.check()?;
        let (claims, biscuit) = if text.contains('.') {
            (self.verifier.read(text), None)
        } else {
            let biscuit = self.biscuits.read(text);
            (biscuit.as_ref().map(|biscuit| biscuit.claims.clone()), biscuit)
        };
        let Some(claims) = claims else { return Ok(Presented::Unknown) };
        let ids = ids(&claims, biscuit.as_ref());
        let Some(standing) = self.tokens.standing(claims.subject, claims.credential, &ids).await? else {
            return Ok(Presented::Unknown);
        };
        if standing.keeps_alive(&claims, self.clock.now()) {
            Ok(Presented::Live(Box::new(LiveToken { claims, standing, biscuit })))
        } else {
            Ok(Presented::Dead(standing.agent))
        }
    }

    /// The token that `text` is, if it lives.
    ///
    /// # Errors
    /// The database is away.
    pub async fn live(&self, text: &str) -> Result<Option<LiveToken>, StoreError> {
        match self.look_at(text).await? {
            Presented::Live(token) => Ok(Some(*token)),
            Presented::Unknown | Presented::Dead(_) => Ok(None),
        }
    }
}

/// Every id whose revocation voids the token: its own, and for a Biscuit that of its parent and of each of its blocks.
fn ids(claims: &Claims, biscuit: Option<&ReadBiscuit>) -> Vec<String> {
    let derived =
        biscuit.iter().flat_map(|biscuit| [vec![biscuit.parent.to_string()], biscuit.blocks.clone()]).flatten();
    std::iter::once(claims.id.to_string()).chain(derived).collect()
}

impl LiveToken {
    /// What kind of token it is.
    pub fn token_type(&self) -> TokenType {
        if self.biscuit.is_some() { TokenType::Biscuit } else { TokenType::Jwt }
    }

    /// The id whose revocation takes this token back and, of a Biscuit, what was derived from it.
    pub fn revocation_id(&self) -> String {
        let last = self.biscuit.as_ref().and_then(|biscuit| biscuit.blocks.last().cloned());
        last.unwrap_or_else(|| self.claims.id.to_string())
    }

    /// The scopes that it has under `facts`: of a JWT all, of a Biscuit those that pass its checks.
    ///
    /// # Errors
    /// The checks came to no end.
    pub fn scopes(&self, facts: &RequestFacts) -> Result<ScopeSet, Undecided> {
        match &self.biscuit {
            Some(biscuit) => biscuit.checks.passing(facts),
            None => Ok(self.claims.scopes.clone()),
        }
    }

    /// Whether it had a scope under `facts` when it was issued. One that has none now has been outlived then.
    ///
    /// # Errors
    /// The checks came to no end.
    pub fn had_scopes(&self, facts: &RequestFacts) -> Result<bool, Undecided> {
        let at_first = RequestFacts { time: self.claims.issued_at, ..facts.clone() };
        Ok(!self.scopes(&at_first)?.is_empty())
    }
}
