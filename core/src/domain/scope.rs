//! Scopes of tokens and the capabilities of agents that bound them.

use super::text::Invalid;
use std::collections::BTreeSet;

/// Longest scope or capability, in characters.
const MAX_LENGTH: usize = 64;
/// Most capabilities that an agent may have.
const MAX_CAPABILITIES: usize = 64;

/// The scopes that govern AgentIdP's own API. To the rest of the code they are scopes like any other.
pub const MANAGEMENT_SCOPES: [&str; 6] =
    ["agents:read", "agents:write", "tokens:read", "tokens:write", "audit:read", "admin:all"];

/// One right of a token, `resource:action` (a scope-token of RFC 6749 §3.3). Never holds a `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(String);

/// What an agent may ask for: a scope, or `resource:*` for every action of one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(String);

/// One to 64 different capabilities, in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapabilitySet(Vec<Capability>);

/// A set of scopes; prints as the space-separated list of RFC 6749 §3.3, in alphabetical order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScopeSet(BTreeSet<Scope>);

fn is_part(part: &str) -> bool {
    let mut bytes = part.bytes();
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.next().is_some_and(word) && bytes.all(|b| word(b) || matches!(b, b'_' | b'.' | b'-'))
}

fn split(text: &str) -> Option<(&str, &str)> {
    text.split_once(':').filter(|(resource, _)| text.len() <= MAX_LENGTH && is_part(resource))
}

impl std::str::FromStr for Scope {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match split(text) {
            Some((_, action)) if is_part(action) => Ok(Self(text.to_owned())),
            _ => Err(Invalid::new("a scope is `resource:action` in `a-z 0-9 _ . -`, at most 64 characters")),
        }
    }
}

impl std::str::FromStr for Capability {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match split(text) {
            Some((_, action)) if action == "*" || is_part(action) => Ok(Self(text.to_owned())),
            _ => Err(Invalid::new(
                "a capability is `resource:action` or `resource:*` in `a-z 0-9 _ . -`, at most 64 characters",
            )),
        }
    }
}

impl Scope {
    /// The text on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Capability {
    /// The text on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a token may carry `scope` because of this capability: `data:*` covers `data:read`.
    pub fn covers(&self, scope: &Scope) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => scope.0.starts_with(prefix),
            None => self.0 == scope.0,
        }
    }

    fn as_scope(&self) -> Option<Scope> {
        (!self.0.ends_with('*')).then(|| Scope(self.0.clone()))
    }
}

impl CapabilitySet {
    /// Takes 1–64 different capabilities.
    ///
    /// # Errors
    /// None given, more than 64, or one named twice.
    pub fn new(capabilities: Vec<Capability>) -> Result<Self, Invalid> {
        if capabilities.is_empty() || capabilities.len() > MAX_CAPABILITIES {
            return Err(Invalid::new("must hold 1 to 64 capabilities"));
        }
        let distinct: BTreeSet<&Capability> = capabilities.iter().collect();
        if distinct.len() != capabilities.len() {
            return Err(Invalid::new("must not name a capability twice"));
        }
        Ok(Self(capabilities))
    }

    /// Parses each text and takes them together.
    ///
    /// # Errors
    /// The first text that is no capability, or what [`CapabilitySet::new`] refuses.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, Invalid> {
        Self::new(texts.iter().map(|text| text.as_ref().parse()).collect::<Result<_, _>>()?)
    }

    /// The capabilities in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Capability> {
        self.0.iter()
    }

    /// Whether any capability covers `scope`.
    pub fn covers(&self, scope: &Scope) -> bool {
        self.0.iter().any(|capability| capability.covers(scope))
    }

    /// Whether a token that was granted under these capabilities might not be granted under `newer`.
    pub fn loses_something_in(&self, newer: &Self) -> bool {
        self.0.iter().any(|old| !newer.0.contains(old) && !old.as_scope().is_some_and(|scope| newer.covers(&scope)))
    }

    /// What a token request without `scope` asks for: every management scope that is covered, and every capability
    /// without a wildcard.
    pub fn default_scopes(&self) -> ScopeSet {
        let management =
            MANAGEMENT_SCOPES.iter().map(|name| Scope((*name).to_owned())).filter(|scope| self.covers(scope));
        ScopeSet(management.chain(self.0.iter().filter_map(Capability::as_scope)).collect())
    }
}

impl ScopeSet {
    /// Parses the `scope` parameter of RFC 6749 §3.3: names separated by single spaces. Naming one twice is allowed.
    ///
    /// # Errors
    /// The first name that is no scope.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        text.split(' ').map(str::parse).collect::<Result<BTreeSet<_>, _>>().map(Self)
    }

    /// The scopes in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// Whether `scope` is in the set.
    pub fn contains(&self, scope: &Scope) -> bool {
        self.0.contains(scope)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Display for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&scope.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capabilities(texts: &[&str]) -> CapabilitySet {
        CapabilitySet::parse(texts).unwrap()
    }

    #[test]
    fn a_scope_never_holds_a_wildcard() {
        assert!("data:read".parse::<Scope>().is_ok());
        for text in [
            "data:*",
            "*:read",
            "*",
            "data",
            "data:",
            ":read",
            "Data:read",
            "data:read:x",
            "data:re ad",
            "-a:b",
            "a:b\u{2028}",
            "",
        ] {
            assert!(text.parse::<Scope>().is_err(), "{text} was taken");
        }
        assert!(format!("a:{}", "b".repeat(62)).parse::<Scope>().is_ok());
        assert!(format!("a:{}", "b".repeat(63)).parse::<Scope>().is_err());
    }

    #[test]
    fn a_wildcard_covers_the_actions_of_its_resource_only() {
        let set = capabilities(&["data:*", "mail:send"]);
        for (scope, covered) in
            [("data:read", true), ("database:read", false), ("mail:send", true), ("mail:read", false)]
        {
            assert_eq!(set.covers(&scope.parse().unwrap()), covered, "{scope}");
        }
    }

    #[test]
    fn the_default_names_covered_management_scopes_and_plain_capabilities() {
        assert_eq!(
            capabilities(&["agents:*", "data:*", "mail:send"]).default_scopes().to_string(),
            "agents:read agents:write mail:send"
        );
        assert!(capabilities(&["data:*"]).default_scopes().is_empty());
    }

    #[test]
    fn losing_is_told_from_widening() {
        let old = capabilities(&["data:read", "mail:*"]);
        assert!(!old.loses_something_in(&capabilities(&["mail:*", "data:*"])), "a wildcard keeps what it covers");
        assert!(old.loses_something_in(&capabilities(&["data:read", "mail:send"])), "a narrower action takes away");
        assert!(old.loses_something_in(&capabilities(&["mail:*"])));
        assert!(!old.loses_something_in(&capabilities(&["mail:*", "data:read", "x:y"])));
    }

    #[test]
    fn sets_refuse_none_too_many_and_twins() {
        assert!(CapabilitySet::parse::<&str>(&[]).is_err());
        assert!(CapabilitySet::parse(&["a:b", "a:b"]).is_err());
        let many: Vec<String> = (0..65).map(|n| format!("a:{n}")).collect();
        assert!(CapabilitySet::parse(&many).is_err());
        assert!(CapabilitySet::parse(&many[..64]).is_ok());
    }
}
