//! The rules, in the order of `policies/authz.rego`.

use super::Scopes;
use super::held::Held;
use agentidp_core::domain::caller::TokenType;
use agentidp_core::domain::scope::{Scope, ScopeSet};
use agentidp_core::ports::policy::{Decision, Owners, PolicyInput, Refusal};
use std::collections::BTreeSet;

/// As many capabilities as a request may name; the server refuses a longer list.
const MOST_CAPABILITIES: usize = 64;
/// As many scopes as are looked at when a token is issued.
const MOST_SCOPES: usize = 128;
const ADMIN: &str = "admin:all";

/// What the rules ask again and again about one request.
struct Case<'a> {
    input: &'a PolicyInput,
    table: &'a Scopes,
    scopes: BTreeSet<&'a str>,
    caller: Held<'a>,
}

/// Decides.
pub(super) fn decide(table: &Scopes, input: &PolicyInput) -> Decision {
    let scopes = input.scopes.iter().map(Scope::as_str).collect();
    let case = Case { input, table, scopes, caller: Held::of(&input.caller.capabilities) };
    case.without_scope()
        .or_else(|| case.by_scope())
        .or_else(|| case.by_rank())
        .unwrap_or_else(|| case.allow("own_owner", "The token's scope opens this within its owner."))
}

impl Case<'_> {
    /// What is open to whoever is authenticated.
    fn without_scope(&self) -> Option<Decision> {
        match (self.operation(), self.input.token_type) {
            ("issueToken", TokenType::Client) => Some(self.grant()),
            ("introspectToken", TokenType::Client) => {
                Some(self.allow("introspect_as_client", "An authenticated client may introspect tokens."))
            }
            ("revokeToken", _) if !self.passes_nothing() => {
                Some(self.allow("revoke_tokens", "Every agent may revoke its own tokens."))
            }
            _ => None,
        }
    }

    /// The scope of the operation, the owner, and what ends with the administrator.
    fn by_scope(&self) -> Option<Decision> {
        if self.helpful().is_empty() {
            return Some(refuse("default_deny", "No rule of the policy permits this request."));
        }
        if !self.permitted() {
            return Some(missing(refuse("missing_scope", &self.scope_reason()), self.helpful()));
        }
        if !self.visible() {
            let unknown = refuse("agent_not_found", "There is no such agent.");
            return Some(Decision { refusal: Refusal::NotFound, ..unknown });
        }
        if self.input.token_type == TokenType::Biscuit && self.hands_out() {
            let reason = "A Biscuit hands out no rights: to register an agent, add a capability, make or rotate a \
                          credential, use an access token of another kind.";
            return Some(refuse("biscuit_hands_out", reason));
        }
        self.admin().then(|| self.allow("admin_all", "The scope admin:all opens this for every owner."))
    }

    /// Nobody goes beyond their own rights.
    fn by_rank(&self) -> Option<Decision> {
        if self.changes_owner() {
            let reason = "An agent stays with its owner: only admin:all registers or moves one under another owner.";
            return Some(refuse("owner_stays", reason));
        }
        let stronger_by = self.target().powers_beyond(&self.scopes);
        if self.disarms() && !stronger_by.is_empty() {
            let reason = "The agent can have management scopes that the token lacks, so the token may not disarm it.";
            return Some(missing(refuse("stronger_agent", reason), stronger_by));
        }
        let handed_out = self.handed_out();
        if !self.caller.covers_all(&handed_out) {
            let reason = "Nobody hands out more than they have: the calling agent lacks one of the capabilities.";
            return Some(refuse("beyond_capabilities", reason));
        }
        let beyond_token = handed_out.powers_beyond(&self.scopes);
        let reason = "Nobody hands out more than they have: the token lacks management scopes that this hands out.";
        (!beyond_token.is_empty()).then(|| missing(refuse("beyond_token", reason), beyond_token))
    }

    fn operation(&self) -> &str {
        &self.input.operation
    }

    /// The checks of a Biscuit may leave none of its scopes.
    fn passes_nothing(&self) -> bool {
        self.input.token_type == TokenType::Biscuit && self.scopes.is_empty()
    }

    fn admin(&self) -> bool {
        self.scopes.contains(ADMIN)
    }

    fn words(&self, scope: &str) -> Option<&str> {
        self.table.get(scope)?.get(self.operation()).map(String::as_str)
    }

    fn permitted(&self) -> bool {
        self.scopes.iter().any(|scope| self.words(scope).is_some())
    }

    /// The scopes that open the operation; admin:all only where nothing less would do.
    fn helpful(&self) -> BTreeSet<&str> {
        let mut opening: BTreeSet<&str> =
            self.table.keys().map(String::as_str).filter(|scope| self.words(scope).is_some()).collect();
        if opening.len() > 1 {
            opening.remove(ADMIN);
        }
        opening
    }

    fn scope_reason(&self) -> String {
        let scopes: Vec<&str> = self.helpful().into_iter().collect();
        let words = scopes.first().and_then(|scope| self.words(scope)).unwrap_or_default();
        format!("To {words}, the token needs the scope {}.", scopes.join(" or "))
    }

    fn visible(&self) -> bool {
        match &self.input.resource {
            Some(resource) => self.admin() || resource.owner == self.input.caller.owner,
            None => self.input.agent_id.is_none() && !self.input.path.contains("{agentId}"),
        }
    }

    fn changes_owner(&self) -> bool {
        let asked = self.input.request.owner.as_deref();
        matches!(self.operation(), "registerAgent" | "updateAgent")
            && asked.is_some_and(|owner| owner != self.input.caller.owner.as_str())
    }

    fn target(&self) -> Held<'_> {
        Held::of(self.input.resource.iter().flat_map(|resource| &resource.capabilities))
    }

    fn requested(&self) -> Held<'_> {
        Held::of(self.input.request.capabilities.iter().flatten().take(MOST_CAPABILITIES))
    }

    fn handed_out(&self) -> Held<'_> {
        match self.operation() {
            "registerAgent" => self.requested(),
            "updateAgent" => self.requested().beyond(&self.target()),
            "generateCredential" | "rotateCredential" => self.target(),
            _ => Held::of([]),
        }
    }

    fn hands_out(&self) -> bool {
        matches!(self.operation(), "registerAgent" | "generateCredential" | "rotateCredential")
            || !self.handed_out().is_empty()
    }

    fn disarms(&self) -> bool {
        let own = self.input.resource.as_ref().is_some_and(|agent| agent.agent_id == self.input.caller.agent_id);
        match self.operation() {
            "updateAgent" | "decommissionAgent" => true,
            "revokeCredential" => !own,
            _ => false,
        }
    }

    fn grant(&self) -> Decision {
        let asked = self.input.request.scopes.iter().flatten().take(MOST_SCOPES);
        let granted = asked.filter(|scope| self.caller.covers(scope)).filter_map(|scope| scope.parse().ok());
        let reason = "A client gets the scopes that its agent's capabilities cover.";
        Decision {
            owners: Owners::Only(vec![self.input.caller.owner.clone()]),
            scopes: Some(ScopeSet::from_iter(granted)),
            ..self.allow("issue_token", reason)
        }
    }

    fn allow(&self, rule: &str, reason: &str) -> Decision {
        let own = || vec![self.input.caller.owner.clone()];
        let owners = match (self.admin(), self.permitted()) {
            (true, _) => Owners::All,
            (false, true) => Owners::Only(own()),
            (false, false) => Owners::Only(Vec::new()),
        };
        Decision { allow: true, owners, ..refuse(rule, reason) }
    }
}

fn refuse(rule: &str, reason: &str) -> Decision {
    Decision {
        allow: false,
        reason: reason.to_owned(),
        owners: Owners::Only(Vec::new()),
        rule: Some(rule.to_owned()),
        refusal: Refusal::Forbidden,
        missing: Vec::new(),
        scopes: None,
    }
}

fn missing<'a>(decision: Decision, scopes: impl IntoIterator<Item = &'a str>) -> Decision {
    Decision { missing: scopes.into_iter().filter_map(|scope| scope.parse().ok()).collect(), ..decision }
}
