package office_hours_test

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

issue(moment, environment) := ask("issueToken", ["data:read"], {
	"time": moment,
	"caller": object.union(caller, {"tokenType": "client", "deploymentEnv": environment}),
	"request": {"scopes": ["data:read"]},
})

test_a_token_within_office_hours if {
	every moment in ["2026-01-05T07:00:00.000Z", "2026-01-09T16:59:59.999Z", "2026-07-06T06:00:00.000Z"] {
		decision := authz.decision with input as issue(moment, "production")
		decision.allow
		decision.scopes == ["data:read"]
	}
}

test_none_outside_of_them if {
	every moment in [
		"2026-01-05T06:59:59.999Z", # Monday, 7:59 in Berlin
		"2026-01-09T17:00:00.000Z", # Friday, 18:00
		"2026-01-10T10:00:00.000Z", # Saturday
		"2026-07-06T05:59:59.999Z", # 7:59 in summer
	] {
		decision := authz.decision with input as issue(moment, "production")
		decision.allow == false
		decision.rule == "office_hours"
	}
}

test_other_environments_work_at_night if {
	decision := authz.decision with input as issue("2026-01-10T10:00:00.000Z", "staging")
	decision.allow
}
