package freeze_an_owner_test

import data.agentidp.authz

caller := {
	"agentId": "a1",
	"owner": "team-a",
	"agentType": "orchestrator",
	"deploymentEnv": "production",
	"capabilities": ["agents:*", "data:*"],
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

from_owner(owner) := {"caller": object.union(caller, {"owner": owner})}

as_client(owner) := {"caller": object.union(caller, {"owner": owner, "tokenType": "client"})}

test_a_frozen_owner_gets_no_token if {
	decision := authz.decision with input as ask("issueToken", ["agents:read"], as_client("team-x"))
	decision.allow == false
	decision.rule == "frozen_owner"
}

test_a_frozen_owner_cannot_use_a_token_it_has if {
	decision := authz.decision with input as ask("listAgents", ["agents:read"], from_owner("team-x"))
	decision.rule == "frozen_owner"
}

test_a_frozen_owner_may_still_revoke_its_tokens if {
	decision := authz.decision with input as ask("revokeToken", [], from_owner("team-x"))
	decision.allow
}

test_others_are_not_touched if {
	decision := authz.decision with input as ask("listAgents", ["agents:read"], {})
	decision.allow
}
