package no_payments_in_development_test

import data.agentidp.authz

caller := {
	"agentId": "a1",
	"owner": "team-a",
	"agentType": "orchestrator",
	"deploymentEnv": "production",
	"capabilities": ["agents:*", "data:*", "payments:*"],
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

register(environment, capabilities) := ask("registerAgent", ["agents:write"], {"request": {
	"deploymentEnv": environment,
	"capabilities": capabilities,
}})

change(environment, capabilities, request) := ask("updateAgent", ["agents:write"], {
	"path": "/agents/{agentId}",
	"agentId": "a2",
	"resource": {
		"agentId": "a2",
		"owner": "team-a",
		"agentType": "custom",
		"deploymentEnv": environment,
		"capabilities": capabilities,
		"status": "active",
	},
	"request": request,
})

test_no_registration_in_development if {
	decision := authz.decision with input as register("development", ["data:read", "payments:refund"])
	decision.rule == "not_in_development"
}

test_an_administrator_neither if {
	request := register("development", ["payments:*"])
	decision := authz.decision with input as object.union(request, {"scopes": ["admin:all"]})
	decision.rule == "not_in_development"
}

test_a_registration_elsewhere if {
	decision := authz.decision with input as register("production", ["payments:refund"])
	decision.allow
}

test_other_capabilities_in_development if {
	decision := authz.decision with input as register("development", ["data:read"])
	decision.allow
}

test_no_capability_added_in_development if {
	request := {"capabilities": ["payments:refund"]}
	decision := authz.decision with input as change("development", ["data:read"], request)
	decision.rule == "not_in_development"
}

test_no_agent_with_it_moved_to_development if {
	request := {"deploymentEnv": "development"}
	decision := authz.decision with input as change("production", ["payments:refund"], request)
	decision.rule == "not_in_development"
}

test_it_can_be_taken_away_on_the_way if {
	request := {"deploymentEnv": "development", "capabilities": ["data:read"]}
	decision := authz.decision with input as change("production", ["payments:refund"], request)
	decision.allow
}
