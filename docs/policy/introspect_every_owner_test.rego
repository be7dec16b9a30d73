package introspect_every_owner_test

import data.agentidp.authz

caller := {
	"agentId": "a1",
	"owner": "team-a",
	"agentType": "orchestrator",
	"deploymentEnv": "production",
	"capabilities": ["introspect:all"],
	"status": "active",
	"tokenType": "jwt",
}

ask(operation, scopes, changes) := object.union(
	{
		"operation": operation,
		"method": "POST",
		"path": "/agents",
		"scopes": scopes,
		"agentId": null,
		"time": "2026-01-02T13:04:05.678Z",
		"sourceIp": "192.0.2.1",
		"caller": caller,
		"resource": null,
		"request": {},
	},
	changes,
)

test_a_bearer_with_the_scope if {
	decision := authz.decision with input as ask("introspectToken", ["introspect:all"], {})
	decision.allow
	decision.owners == "*"
}

test_a_client_with_the_capability if {
	as_client := {"caller": object.union(caller, {"tokenType": "client"})}
	decision := authz.decision with input as ask("introspectToken", ["introspect:all"], as_client)
	decision.allow
	decision.owners == "*"
}

test_tokens_read_stays_within_its_owner if {
	decision := authz.decision with input as ask("introspectToken", ["tokens:read"], {})
	decision.allow
	decision.owners == ["team-a"]
}

test_it_revokes_nothing if {
	decision := authz.decision with input as ask("revokeToken", ["introspect:all"], {})
	decision.owners == []
}
