package read_only_auditor_test

import data.agentidp.authz

caller := {
	"agentId": "a1",
	"owner": "team-a",
	"agentType": "orchestrator",
	"deploymentEnv": "production",
	"capabilities": ["auditor:read", "agents:*"],
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

about(operation, scopes) := ask(operation, scopes, {
	"path": "/agents/{agentId}",
	"agentId": "a2",
	"resource": {
		"agentId": "a2",
		"owner": "team-b",
		"agentType": "custom",
		"deploymentEnv": "production",
		"capabilities": ["data:read"],
		"status": "active",
	},
})

test_reads_every_owner if {
	every operation in ["listAgents", "queryAuditLog", "getAuditEvent"] {
		decision := authz.decision with input as ask(operation, ["auditor:read"], {})
		decision.allow
		decision.owners == "*"
	}
	every operation in ["getAgent", "listCredentials"] {
		decision := authz.decision with input as about(operation, ["auditor:read"])
		decision.allow
		decision.owners == "*"
	}
}

test_changes_nothing if {
	every operation in ["registerAgent", "updateAgent", "decommissionAgent", "rotateCredential", "revokeCredential"] {
		decision := authz.decision with input as about(operation, ["auditor:read"])
		decision.allow == false
	}
}

test_with_another_scope_it_stays_within_its_owner if {
	decision := authz.decision with input as about("updateAgent", ["auditor:read", "agents:write"])
	decision.allow == false
	decision.status == 404
}

test_nobody_hands_it_out_without_having_it if {
	request := {"request": {"capabilities": ["auditor:read"]}}
	decision := authz.decision with input as ask("registerAgent", ["agents:write"], request)
	decision.rule == "beyond_token"
}
