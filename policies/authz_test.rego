# Tests of authz.rego: `agentidp policy test policies`, or `opa test policies/*.rego policies/data/scopes.json`.
package agentidp.authz_test

import data.agentidp.authz

caller := {
	"agentId": "a1",
	"owner": "team-a",
	"agentType": "orchestrator",
	"deploymentEnv": "production",
	"capabilities": ["agents:*", "tokens:read", "data:*"],
	"status": "active",
	"tokenType": "jwt",
}

target := {
	"agentId": "a2",
	"owner": "team-a",
	"agentType": "extractor",
	"deploymentEnv": "production",
	"capabilities": ["data:read"],
	"status": "active",
}

# A call of `operation` with a token of `scopes`, with `changes` to all the rest.
ask(operation, scopes, changes) := object.union(
	{
		"operation": operation,
		"method": "POST",
		"path": "/agents",
		"scopes": scopes,
		"agentId": null,
		"time": "2026-01-02T03:04:05.678Z",
		"sourceIp": "192.0.2.1",
		"caller": caller,
		"resource": null,
		"request": {},
	},
	changes,
)

# The same about the agent `target`, with `changes` to that agent.
about(operation, scopes, changes) := ask(operation, scopes, {
	"path": "/agents/{agentId}",
	"agentId": "a2",
	"resource": object.union(target, changes),
})

asking(capabilities) := {"request": {"capabilities": capabilities}}

by_token(token_type) := {"caller": object.union(caller, {"tokenType": token_type})}

# --- the scope of the operation ---

test_scope_opens if {
	decision := authz.decision with input as ask("listAgents", ["agents:read"], {})
	decision == {
		"allow": true,
		"reason": "The token's scope opens this within its owner.",
		"owners": ["team-a"],
		"rule": "own_owner",
	}
}

test_missing_scope if {
	decision := authz.decision with input as ask("listAgents", ["agents:write"], {})
	decision == {
		"allow": false,
		"reason": "To list agents, the token needs the scope agents:read.",
		"owners": [],
		"rule": "missing_scope",
		"missing": ["agents:read"],
	}
}

test_missing_scope_is_the_same_for_every_id if {
	known := authz.decision with input as about("getAgent", [], {})
	foreign := authz.decision with input as about("getAgent", [], {"owner": "team-b"})
	known == foreign
	unknown := authz.decision with input as ask("getAgent", [], {"agentId": "a9"})
	known == unknown
}

test_two_scopes_would_help if {
	table := {"agents:read": {"x": "do x"}, "audit:read": {"x": "do x"}, "admin:all": {"x": "do x"}}
	decision := authz.decision with input as ask("x", [], {}) with data.scopes as table
	decision.missing == ["agents:read", "audit:read"]
	decision.reason == "To do x, the token needs the scope agents:read or audit:read."
}

test_only_admin_would_help if {
	decision := authz.decision with input as ask("x", [], {}) with data.scopes as {"admin:all": {"x": "do x"}}
	decision.missing == ["admin:all"]
}

test_a_new_scope_needs_only_the_table if {
	table := {"support:read": {"listAgents": "list agents"}}
	decision := authz.decision with input as ask("listAgents", ["support:read"], {}) with data.scopes as table
	decision.allow
}

test_unknown_operation if {
	decision := authz.decision with input as ask("eatAgent", ["admin:all"], {})
	decision.rule == "default_deny"
	not decision.allow
}

test_no_input if {
	decision := authz.decision with input as {}
	decision.rule == "default_deny"
	not decision.allow
}

test_incomplete_input if {
	decision := authz.decision with input as {"operation": "listAgents", "scopes": ["agents:read", "admin:all"]}
	decision.rule == "default_deny"
	not decision.allow
}

# --- the owner is the boundary ---

test_another_owner_looks_unknown if {
	foreign := authz.decision with input as about("getAgent", ["agents:read"], {"owner": "team-b"})
	unknown := authz.decision with input as ask("getAgent", ["agents:read"], {"agentId": "a9"})
	foreign == unknown
	foreign == {
		"allow": false,
		"reason": "There is no such agent.",
		"owners": [],
		"rule": "agent_not_found",
		"status": 404,
	}
}

test_admin_sees_every_owner if {
	decision := authz.decision with input as about("getAgent", ["admin:all"], {"owner": "team-b"})
	decision.rule == "admin_all"
	decision.owners == "*"
}

test_admin_does_not_see_what_is_not_there if {
	decision := authz.decision with input as ask("getAgent", ["admin:all"], {"agentId": "a9"})
	decision.status == 404
}

test_an_id_that_is_no_uuid_is_unknown if {
	path := "/agents/{agentId}"
	decision := authz.decision with input as ask("getAgent", ["admin:all"], {"path": path})
	decision.status == 404
}

test_owner_stays if {
	request := {"request": {"owner": "team-b", "capabilities": ["data:read"]}}
	decision := authz.decision with input as ask("registerAgent", ["agents:write"], request)
	decision.rule == "owner_stays"
}

test_owner_may_be_repeated if {
	request := {"request": {"owner": "team-a", "capabilities": ["data:read"]}}
	decision := authz.decision with input as ask("registerAgent", ["agents:write"], request)
	decision.allow
}

# --- nobody hands out more than they have ---

test_register_within if {
	decision := authz.decision with input as ask("registerAgent", ["agents:write"], asking(["data:*", "data:x"]))
	decision.allow
}

test_register_beyond_capabilities if {
	decision := authz.decision with input as ask("registerAgent", ["agents:write"], asking(["mail:send"]))
	decision.rule == "beyond_capabilities"
}

test_register_beyond_token if {
	decision := authz.decision with input as ask("registerAgent", ["agents:write"], asking(["agents:*"]))
	decision.rule == "beyond_token"
	decision.missing == ["agents:read"]
}

test_narrowing_hands_out_nothing if {
	present := about("updateAgent", ["agents:write"], {"capabilities": ["mail:*"]})
	decision := authz.decision with input as object.union(present, asking(["mail:send"]))
	decision.allow
}

test_widening_hands_out if {
	present := about("updateAgent", ["agents:write"], {"capabilities": ["mail:send"]})
	decision := authz.decision with input as object.union(present, asking(["mail:*"]))
	decision.rule == "beyond_capabilities"
}

test_secret_of_a_wider_agent if {
	wider := {"capabilities": ["agents:read"]}
	decision := authz.decision with input as about("generateCredential", ["agents:write"], wider)
	decision.rule == "beyond_token"
	decision.missing == ["agents:read"]
}

test_biscuit_hands_out_nothing if {
	every operation in ["generateCredential", "rotateCredential"] {
		request := object.union(about(operation, ["admin:all"], {}), by_token("biscuit"))
		decision := authz.decision with input as request
		decision.rule == "biscuit_hands_out"
	}
}

test_biscuit_that_passes_nothing_opens_nothing if {
	every operation in ["revokeToken", "introspectToken", "listAgents"] {
		decision := authz.decision with input as ask(operation, [], by_token("biscuit"))
		decision.rule == "missing_scope"
	}
}

test_biscuit_may_write_back if {
	request := object.union(about("updateAgent", ["agents:write"], {}), by_token("biscuit"))
	decision := authz.decision with input as object.union(request, asking(["data:read"]))
	decision.allow
}

test_odd_requests_are_decided if {
	every odd in [null, 7, "data:read", {"a": "b"}, [null, 7, {}, []], true] {
		request := {"request": {"capabilities": odd, "scopes": odd}}
		decision := authz.decision with input as ask("registerAgent", ["agents:write"], request)
		decision.allow
	}
}

test_odd_owner_is_refused if {
	every odd in [null, 7, [], {}] {
		decision := authz.decision with input as ask("registerAgent", ["agents:write"], {"request": {"owner": odd}})
		decision.rule == "owner_stays"
	}
}

# --- nobody disarms a stronger one ---

test_stronger_agent if {
	every operation in ["updateAgent", "decommissionAgent", "revokeCredential"] {
		decision := authz.decision with input as about(operation, ["agents:write"], {"capabilities": ["admin:*"]})
		decision.rule == "stronger_agent"
		decision.missing == ["admin:all"]
	}
}

test_own_credentials if {
	itself := {"agentId": "a1", "capabilities": ["admin:all"]}
	decision := authz.decision with input as about("revokeCredential", ["agents:write"], itself)
	decision.allow
}

# --- tokens ---

test_issue if {
	request := object.union(by_token("client"), {"request": {"scopes": ["data:x", "mail:send", "agents:read", "data:*"]}})
	decision := authz.decision with input as ask("issueToken", [], request)
	decision.allow
	decision.scopes == ["agents:read", "data:x"]
	decision.owners == ["team-a"]
}

test_issue_needs_a_client if {
	decision := authz.decision with input as ask("issueToken", ["admin:all"], {})
	not decision.allow
}

test_odd_scopes_are_not_granted if {
	every odd in [null, 7, "data:read", {"a": "data:x"}, [null, 7, {}, ["data:x"]]] {
		request := object.union(by_token("client"), {"request": {"scopes": odd}})
		decision := authz.decision with input as ask("issueToken", [], request)
		decision.scopes == []
	}
}

test_introspect_as_client if {
	narrow := authz.decision with input as ask("introspectToken", ["data:x"], by_token("client"))
	narrow.allow
	narrow.owners == []
	wide := authz.decision with input as ask("introspectToken", ["tokens:read"], by_token("client"))
	wide.owners == ["team-a"]
}

test_introspect_with_a_token if {
	decision := authz.decision with input as ask("introspectToken", ["agents:read"], {})
	decision.missing == ["tokens:read"]
}

test_revoke if {
	own := authz.decision with input as ask("revokeToken", [], {})
	own.allow
	own.owners == []
	others := authz.decision with input as ask("revokeToken", ["tokens:write"], {})
	others.owners == ["team-a"]
	everyones := authz.decision with input as ask("revokeToken", ["admin:all"], {})
	everyones.owners == "*"
}
