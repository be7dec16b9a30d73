//! Cases of [`PolicyEngine`]: the shipped policy as a table of decisions. Run them with [`crate::policy_contract`].

mod ask;
mod generated;
mod odd;

use crate::domain::scope::MANAGEMENT_SCOPES;
use crate::ports::policy::{Owners, PolicyEngine};
use ask::{ABOUT_AN_AGENT, ask, scopes};
pub use generated::generated;

/// Makes one test for each case: `policy_contract!(name, expression of a policy engine)`.
#[macro_export]
macro_rules! policy_contract {
    ($name:ident, $policy:expr) => {
        $crate::policy_contract!(@cases $name, $policy;
            a_scope_opens_its_operations_and_no_others
            without_the_scope_every_id_is_alike
            another_owners_agent_is_not_found
            admin_all_opens_every_owner
            a_registration_hands_out_no_more_than_the_caller_has
            a_change_hands_out_only_what_it_adds
            a_secret_hands_out_all_that_its_agent_can
            a_stronger_agent_is_not_disarmed
            own_credentials_can_always_be_revoked
            the_owner_stays
            a_biscuit_hands_out_nothing
            a_token_gets_the_covered_scopes
            tokens_are_seen_within_the_owners
            what_nobody_foresaw_is_denied
            odd_words_and_long_lists_are_decided
            a_decision_names_its_policy
        );
    };
    (@cases $name:ident, $policy:expr; $($case:ident)+) => {
        mod $name {
            use super::*;
            $(#[test] fn $case() { $crate::contract::policy::$case(&$policy); })+
        }
    };
}

/// The scope of each operation, by section 1 of the contract.
const OPERATIONS: [(&str, &str); 12] = [
    ("registerAgent", "agents:write"),
    ("listAgents", "agents:read"),
    ("getAgent", "agents:read"),
    ("updateAgent", "agents:write"),
    ("decommissionAgent", "agents:write"),
    ("generateCredential", "agents:write"),
    ("listCredentials", "agents:read"),
    ("rotateCredential", "agents:write"),
    ("revokeCredential", "agents:write"),
    ("introspectToken", "tokens:read"),
    ("queryAuditLog", "audit:read"),
    ("getAuditEvent", "audit:read"),
];

pub fn a_scope_opens_its_operations_and_no_others(policy: &dyn PolicyEngine) {
    for (operation, needed) in OPERATIONS {
        let about = ABOUT_AN_AGENT.contains(&operation);
        for scope in MANAGEMENT_SCOPES.into_iter().chain(["data:read", ""]) {
            let bare = ask(operation, scope);
            let request = if about { bare.own("data:read") } else { bare };
            match scope {
                "admin:all" => request.allowed_for(policy, "admin_all", Owners::All),
                _ if scope == needed => drop(request.allowed(policy, "own_owner")),
                _ => request.refused(policy, "missing_scope", needed),
            }
        }
    }
    let reason = ask("listAgents", "").decide(policy).reason;
    assert_eq!(reason, "To list agents, the token needs the scope agents:read.");
}

pub fn without_the_scope_every_id_is_alike(policy: &dyn PolicyEngine) {
    for operation in ABOUT_AN_AGENT {
        let unknown = ask(operation, "audit:read");
        let decision = unknown.decide(policy);
        assert!(!decision.allow);
        assert_eq!(unknown.clone().own("data:read").decide(policy), decision);
        assert_eq!(unknown.clone().foreign("admin:all").decide(policy), decision);
        assert_eq!(unknown.itself().decide(policy), decision);
    }
}

pub fn another_owners_agent_is_not_found(policy: &dyn PolicyEngine) {
    for operation in ABOUT_AN_AGENT {
        let unknown = ask(operation, "agents:read agents:write");
        unknown.not_found(policy);
        let foreign = unknown.clone().foreign("admin:all");
        foreign.not_found(policy);
        assert_eq!(foreign.decide(policy), unknown.decide(policy), "the two must look alike");
        let mut no_uuid = unknown;
        no_uuid.0.agent_id = None;
        no_uuid.not_found(policy);
    }
}

pub fn admin_all_opens_every_owner(policy: &dyn PolicyEngine) {
    for operation in ABOUT_AN_AGENT {
        ask(operation, "admin:all").not_found(policy);
        let foreign = ask(operation, "admin:all").by("admin:all").foreign("tokens:* data:*").owner(ask::STRANGERS);
        foreign.allowed_for(policy, "admin_all", Owners::All);
        // The capability alone opens nothing: only the token used does.
        ask(operation, "agents:read agents:write").by("admin:all").foreign("data:read").not_found(policy);
    }
    let registration = ask("registerAgent", "admin:all").by("admin:all").capabilities("x:y").owner(ask::STRANGERS);
    registration.allowed_for(policy, "admin_all", Owners::All);
}

pub fn a_registration_hands_out_no_more_than_the_caller_has(policy: &dyn PolicyEngine) {
    let register = |capabilities: &str| ask("registerAgent", "agents:write").capabilities(capabilities);
    register("data:read data:*").allowed(policy, "own_owner");
    register("agents:write").allowed(policy, "own_owner");
    register("mail:send").refused(policy, "beyond_capabilities", "");
    register("data:read mail:send").refused(policy, "beyond_capabilities", "");
    register("database:read").refused(policy, "beyond_capabilities", "");
    register("data:*").by("data:read agents:write").refused(policy, "beyond_capabilities", "");
    register("agents:*").refused(policy, "beyond_capabilities", "");
    register("agents:*").by("agents:*").refused(policy, "beyond_token", "agents:read");
    register("agents:read audit:read").refused(policy, "beyond_token", "agents:read audit:read");
    register("admin:*").by("admin:* agents:write").refused(policy, "beyond_token", "admin:all");
    let both = ask("registerAgent", "agents:read agents:write").by("agents:*");
    both.capabilities("agents:*").allowed(policy, "own_owner");
}

pub fn a_change_hands_out_only_what_it_adds(policy: &dyn PolicyEngine) {
    let change = |present: &str, wanted: &str| {
        ask("updateAgent", "agents:write").by("agents:write data:*").own(present).capabilities(wanted)
    };
    change("data:read", "data:read data:write").allowed(policy, "own_owner");
    change("mail:send x:y", "mail:send x:y").allowed(policy, "own_owner");
    change("mail:* x:y", "mail:send").allowed(policy, "own_owner");
    change("mail:send", "mail:*").refused(policy, "beyond_capabilities", "");
    change("data:read", "data:read mail:send").refused(policy, "beyond_capabilities", "");
    change("data:read", "agents:write").allowed(policy, "own_owner");
    let unheld = ask("updateAgent", "agents:write").own("data:read").capabilities("audit:read");
    unheld.refused(policy, "beyond_token", "audit:read");
    ask("updateAgent", "agents:write").own("mail:send").allowed(policy, "own_owner");
}

pub fn a_secret_hands_out_all_that_its_agent_can(policy: &dyn PolicyEngine) {
    for operation in ["generateCredential", "rotateCredential"] {
        let make = |capabilities: &str| ask(operation, "agents:write").own(capabilities);
        make("data:read data:* agents:write").allowed(policy, "own_owner");
        make("mail:send").refused(policy, "beyond_capabilities", "");
        make("data:read agents:read").refused(policy, "beyond_token", "agents:read");
        make("tokens:* admin:*").by("tokens:* admin:*").refused(
            policy,
            "beyond_token",
            "admin:all tokens:read tokens:write",
        );
        // A narrowed token makes no wider one, not even for its own agent.
        ask(operation, "agents:write").by("agents:*").itself().refused(policy, "beyond_token", "agents:read");
        ask(operation, "agents:read agents:write").by("agents:*").itself().allowed(policy, "own_owner");
    }
}

pub fn a_stronger_agent_is_not_disarmed(policy: &dyn PolicyEngine) {
    for operation in ["updateAgent", "decommissionAgent", "revokeCredential"] {
        let act = |capabilities: &str| ask(operation, "agents:write").own(capabilities);
        act("agents:write mail:send").allowed(policy, "own_owner");
        act("admin:all").refused(policy, "stronger_agent", "admin:all");
        act("agents:* audit:read").refused(policy, "stronger_agent", "agents:read audit:read");
        ask(operation, "agents:write agents:read").own("agents:*").allowed(policy, "own_owner");
    }
    for operation in ["updateAgent", "decommissionAgent"] {
        ask(operation, "agents:write").by("agents:*").itself().refused(policy, "stronger_agent", "agents:read");
    }
    for operation in ["getAgent", "listCredentials"] {
        ask(operation, "agents:read").own("admin:all").allowed(policy, "own_owner");
    }
}

pub fn own_credentials_can_always_be_revoked(policy: &dyn PolicyEngine) {
    let revoke = |token: &str| ask("revokeCredential", token).by("admin:all agents:*").itself();
    revoke("agents:write").allowed(policy, "own_owner");
    revoke("agents:write").biscuit().allowed(policy, "own_owner");
    revoke("agents:read").refused(policy, "missing_scope", "agents:write");
}

pub fn the_owner_stays(policy: &dyn PolicyEngine) {
    let register = ask("registerAgent", "agents:write").capabilities("data:read");
    register.clone().owner(ask::TEAM).allowed(policy, "own_owner");
    for other in [ask::STRANGERS, "Team-a", "team-a ", "", "*"] {
        register.clone().owner(other).refused(policy, "owner_stays", "");
        ask("updateAgent", "agents:write").own("data:read").owner(other).refused(policy, "owner_stays", "");
    }
    ask("updateAgent", "agents:write").own("data:read").owner(ask::TEAM).allowed(policy, "own_owner");
}

pub fn a_biscuit_hands_out_nothing(policy: &dyn PolicyEngine) {
    for token in ["admin:all", "agents:write"] {
        let rule = if token == "admin:all" { "admin_all" } else { "own_owner" };
        let owners = || ask("listAgents", &format!("{token} agents:read")).decide(policy).owners;
        for operation in ["generateCredential", "rotateCredential"] {
            ask(operation, token).own("data:read").biscuit().refused(policy, "biscuit_hands_out", "");
            ask(operation, token).biscuit().not_found(policy);
        }
        ask("registerAgent", token).biscuit().refused(policy, "biscuit_hands_out", "");
        let change = ask("updateAgent", token).own("data:*").biscuit();
        change.clone().capabilities("data:* data:x mail:send").refused(policy, "biscuit_hands_out", "");
        change.capabilities("data:read").allowed_for(policy, rule, owners());
        ask("decommissionAgent", token).own("data:read").biscuit().allowed_for(policy, rule, owners());
    }
}

pub fn a_token_gets_the_covered_scopes(policy: &dyn PolicyEngine) {
    let issue = |asked: &str| ask("issueToken", "").client().by("data:* mail:send").token(asked);
    for (asked, granted) in [
        ("data:read mail:send", "data:read mail:send"),
        ("data:read agents:read mail:read", "data:read"),
        ("agents:read", ""),
        ("data:* *:read data:R data: :x data data:a:b data:-x mail:send", "mail:send"),
        ("", ""),
    ] {
        let decision = issue(asked).allowed(policy, "issue_token");
        assert_eq!(decision.scopes, Some(scopes(granted)), "{asked}");
    }
    ask("issueToken", "admin:all").token("data:read").refused(policy, "default_deny", "");
}

pub fn tokens_are_seen_within_the_owners(policy: &dyn PolicyEngine) {
    for (operation, scope, rule) in
        [("introspectToken", "tokens:read", "introspect_as_client"), ("revokeToken", "tokens:write", "revoke_tokens")]
    {
        ask(operation, scope).client().allowed(policy, rule);
        ask(operation, "admin:all").client().allowed_for(policy, rule, Owners::All);
        ask(operation, "agents:read").client().allowed_for(policy, rule, Owners::Only(Vec::new()));
    }
    ask("introspectToken", "tokens:write").refused(policy, "missing_scope", "tokens:read");
    ask("revokeToken", "").allowed_for(policy, "revoke_tokens", Owners::Only(Vec::new()));
    ask("revokeToken", "tokens:write").biscuit().allowed(policy, "revoke_tokens");
    ask("revokeToken", "data:read").biscuit().allowed_for(policy, "revoke_tokens", Owners::Only(Vec::new()));
    ask("revokeToken", "").biscuit().refused(policy, "missing_scope", "tokens:write");
    ask("revokeToken", "admin:all").allowed_for(policy, "revoke_tokens", Owners::All);
}

pub fn what_nobody_foresaw_is_denied(policy: &dyn PolicyEngine) {
    for operation in ["", "deleteEverything", "getagent", "scopes", "exchangeToken"] {
        for token in ["", "agents:read agents:write", "admin:all"] {
            ask(operation, token).refused(policy, "default_deny", "");
            ask(operation, token).own("data:read").refused(policy, "default_deny", "");
        }
    }
}

pub fn odd_words_and_long_lists_are_decided(policy: &dyn PolicyEngine) {
    let mut odd = ask("registerAgent", "agents:write");
    for word in ["", ":", "*", "data", "data:*:x", "::", "a b", "\u{0}", "Data:read", ":*"] {
        odd.0.request.capabilities = Some(vec![word.to_owned()]);
        odd.refused(policy, "beyond_capabilities", "");
    }
    let many = |count: usize, word: &str| (0..count).map(|n| format!("{word}:{n}")).collect::<Vec<_>>().join(" ");
    let full = many(64, "x");
    let wide = ask("updateAgent", "agents:write").by(&many(64, "data")).own(&full);
    wide.clone().capabilities(&full).allowed(policy, "own_owner");
    wide.capabilities(&many(64, "data")).allowed(policy, "own_owner");
    let endless = many(10_000, "data");
    ask("registerAgent", "agents:write").capabilities(&endless).allowed(policy, "own_owner");
    let granted = ask("issueToken", "").client().token(&endless).allowed(policy, "issue_token").scopes.unwrap();
    assert_eq!(granted.iter().count(), 128);
}

pub fn a_decision_names_its_policy(policy: &dyn PolicyEngine) {
    let decided = policy.decide(&ask("listAgents", "").0).unwrap();
    assert_eq!(decided.policy_hash, policy.hash());
    assert!(decided.policy_hash.len() == 64 && decided.policy_hash.bytes().all(|b| b.is_ascii_hexdigit()));
}
