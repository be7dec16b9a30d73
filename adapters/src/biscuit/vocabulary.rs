//! The first block: what the issuer states. The same facts are written and read; these names are kept for good.

use agentidp_core::domain::ids::TokenId;
use agentidp_core::domain::scope::{Scope, ScopeSet};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::domain::token::Claims;
use biscuit_auth::builder::{Binary, BiscuitBuilder, Check, CheckKind, Expression, Fact, Op, Term};
use biscuit_auth::builder::{constrained_rule, fact, pred, string, var};
use biscuit_auth::datalog::SymbolTable;
use biscuit_auth::error;
use biscuit_auth::format::schema::{Block, term};
use std::collections::HashMap;

/// The last second that a [`Timestamp`] can hold.
const LAST_SECOND: u64 = 253_402_300_799;

/// Writes the first block.
pub fn write(claims: &Claims, parent: TokenId) -> Result<BiscuitBuilder, error::Token> {
    let one = |name: &str, text: String| fact(name, &[string(&text)]);
    let facts = [
        one("issuer", claims.issuer.clone()),
        one("agent", claims.subject.to_string()),
        one("owner", claims.owner.to_string()),
        one("token", claims.id.to_string()),
        one("parent", parent.to_string()),
        one("credential", claims.credential.to_string()),
        fact("generation", &[Term::Integer(claims.generation)]),
        fact("issued", &[date(claims.issued_at)]),
        fact("expires", &[date(claims.expires_at)]),
    ];
    let audience = claims.audience.iter().map(|uri| one("audience", uri.clone()));
    let scopes = claims.scopes.iter().map(|scope| one("scope", scope.to_string()));
    let all = facts.into_iter().chain(audience).chain(scopes);
    all.into_iter().try_fold(BiscuitBuilder::new(), BiscuitBuilder::fact::<Fact>)?.check(lives_until(claims.expires_at))
}

/// `check if time($time), $time < end`: whoever verifies the Biscuit enforces its end.
fn lives_until(end: Timestamp) -> Check {
    let before = Expression { ops: vec![Op::Value(var("time")), Op::Value(date(end)), Op::Binary(Binary::LessThan)] };
    let none: &[Term] = &[];
    Check {
        queries: vec![constrained_rule("query", none, &[pred("time", &[var("time")])], &[before])],
        kind: CheckKind::One,
    }
}

/// A time as a value: whole seconds, rounded down.
pub fn date(at: Timestamp) -> Term {
    Term::Date(u64::try_from(at.unix_seconds()).unwrap_or(0))
}

/// Reads the first block of a Biscuit of `issuer`: the claims, and the token that it was made from. Every fact is
/// required, of one type, and known; a new one is therefore read by a release before one writes it.
pub fn read(block: &Block, issuer: &str) -> Option<(Claims, TokenId)> {
    let mut facts = Facts::of(block)?;
    let claims = Claims {
        issuer: facts.text("issuer")?,
        subject: facts.text("agent")?.parse().ok()?,
        audience: facts.texts("audience")?,
        issued_at: facts.time("issued")?,
        not_before: Timestamp::from_unix_seconds(0),
        expires_at: facts.time("expires")?,
        id: facts.text("token")?.parse().ok()?,
        scopes: scopes(&facts.texts("scope")?)?,
        owner: facts.text("owner")?.parse().ok()?,
        credential: facts.text("credential")?.parse().ok()?,
        generation: facts.integer("generation").filter(|generation| *generation >= 0)?,
    };
    let claims = Claims { not_before: claims.issued_at, ..claims };
    let parent = facts.text("parent")?.parse().ok()?;
    (facts.0.is_empty() && claims.issuer == issuer).then_some((claims, parent))
}

fn scopes(texts: &[String]) -> Option<ScopeSet> {
    texts.iter().map(|text| text.parse::<Scope>().ok()).collect()
}

/// The values of facts that have one, by their names.
struct Facts(HashMap<String, Vec<Value>>);

enum Value {
    Text(String),
    Integer(i64),
    Seconds(u64),
}

impl Facts {
    fn of(block: &Block) -> Option<Self> {
        let mut symbols = SymbolTable::new();
        for symbol in &block.symbols {
            symbols.insert(symbol);
        }
        let mut facts: HashMap<String, Vec<Value>> = HashMap::new();
        for fact in &block.facts {
            let [term] = fact.predicate.terms.as_slice() else { return None };
            let value = match term.content.as_ref()? {
                term::Content::String(symbol) => Value::Text(symbols.get_symbol(*symbol)?.to_owned()),
                term::Content::Integer(number) => Value::Integer(*number),
                term::Content::Date(seconds) => Value::Seconds(*seconds),
                _ => return None,
            };
            facts.entry(symbols.get_symbol(fact.predicate.name)?.to_owned()).or_default().push(value);
        }
        Some(Self(facts))
    }

    fn one(&mut self, name: &str) -> Option<Value> {
        let mut values = self.0.remove(name)?;
        let value = values.pop();
        value.filter(|_| values.is_empty())
    }

    fn text(&mut self, name: &str) -> Option<String> {
        match self.one(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let texts = self.0.remove(name)?.into_iter().map(|value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        });
        texts.collect()
    }

    fn integer(&mut self, name: &str) -> Option<i64> {
        match self.one(name)? {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    fn time(&mut self, name: &str) -> Option<Timestamp> {
        match self.one(name)? {
            Value::Seconds(seconds) if seconds <= LAST_SECOND => {
                Some(Timestamp::from_unix_seconds(i64::try_from(seconds).ok()?))
            }
            _ => None,
        }
    }
}
