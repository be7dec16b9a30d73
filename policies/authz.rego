# Who may do what in AgentIdP: every authenticated request is decided here, once, before it is carried out.
#
# `data.scopes` (data/scopes.json) says which scope opens which operation; to open an operation to a new scope, edit
# that table and nothing here. This file says what else must hold. The answer is one object, `decision`:
#
#   allow    whether the request is carried out
#   reason   a sentence for the caller
#   owners   the owners whose rows it may touch: "*" or a list
#   rule     the name of the rule that decided, for the audit log: never rename one, dashboards count by it
#   status   404 to answer as if there were no such agent; a refusal is 403 otherwise
#   missing  the scopes that would have helped
#   scopes   issueToken only: the scopes that the new token gets
#
# To change a rule: edit it, edit its tests in authz_test.rego, run `agentidp policy test FOLDER`, and start the server
# with POLICY_DIR set to that folder, or send it SIGHUP if it is. It takes a policy only if its trial decisions succeed.
# Stock OPA gives the same answers:
#
#   opa test policies/*.rego policies/data/scopes.json
#   opa eval -d policies/authz.rego -d policies/data/scopes.json -i input.json data.agentidp.authz.decision
#   opa check --strict --schema policies/schema/input.json policies/authz.rego
#
# Stay with look-ups by key. A scan with `glob` or `regex` costs a hundred times as much on every single request.
package agentidp.authz

# METADATA
# entrypoint: true
# description: >
#   The answer where no rule below gives one. Without it a request that nobody thought of would have no answer at all.
default decision := {
	"allow": false,
	"reason": "No rule of the policy permits this request.",
	"owners": [],
	"rule": "default_deny",
}

# The rules, in order: the first whose conditions hold decides. What refuses stands before what allows. A condition here
# is a name or a comparison: iterate (`some`) in a rule of its own, for the compiled form of a chain stops at a branch
# whose iteration finds nothing. The trial decisions at load notice.
decision := no_rule if {
	not complete
} else := client_grant if {
	input.operation == "issueToken"
	input.caller.tokenType == "client"
} else := allow("introspect_as_client", "An authenticated client may introspect tokens.") if {
	input.operation == "introspectToken"
	input.caller.tokenType == "client"
} else := allow("revoke_tokens", "Every agent may revoke its own tokens.") if {
	input.operation == "revokeToken"
	not passes_nothing
} else := no_rule if {
	not permitted # first, for it is cheaper: most requests are
	count(opening) == 0
} else := refuse_for_scopes("missing_scope", scope_reason, helpful) if {
	not permitted
} else := not_found if {
	not visible
} else := refuse("biscuit_hands_out", biscuit_reason) if {
	input.caller.tokenType == "biscuit"
	hands_out
} else := allow("admin_all", "The scope admin:all opens this for every owner.") if {
	admin
} else := refuse("owner_stays", owner_reason) if {
	changes_owner
} else := refuse_for_scopes("stronger_agent", stronger_reason, stronger_by) if {
	disarms
	count(stronger_by) > 0
} else := refuse("beyond_capabilities", beyond_capabilities_reason) if {
	beyond_caller
} else := refuse_for_scopes("beyond_token", beyond_token_reason, powers(handed_out) - scopes) if {
	count(handed_out) > 0 # most requests hand out nothing: the rest of the rule is dear
	count(powers(handed_out) - scopes) > 0
} else := allow("own_owner", "The token's scope opens this within its owner.") if {
	permitted
}

# --- what the caller has ---------------------------------------------------------------------------------------------

# For differences; `in` and `count` do with the list, which costs nothing to make.
scopes := {scope | some scope in input.scopes}

admin if "admin:all" in input.scopes

# The server always sends these; without them nothing is decided but a refusal.
complete if {
	is_string(input.operation)
	is_string(input.path)
	is_array(input.scopes)
	is_string(input.caller.owner)
	is_array(input.caller.capabilities)
	is_object(input.request)
	readable_resource
}

# `is_null`, not `== null`: of what may be null, OPA's check by the schema knows the object alone.
readable_resource if is_null(input.resource)

readable_resource if {
	is_string(input.resource.owner)
	is_array(input.resource.capabilities)
}

# --- the scope of the operation --------------------------------------------------------------------------------------

permitted if {
	some scope in input.scopes
	data.scopes[scope][input.operation]
}

# The scopes that open the operation. None: there is no such operation.
opening := {scope | some scope, operations in data.scopes; operations[input.operation]}

# Those to ask for. admin:all is named only where nothing less would do.
helpful := opening - {"admin:all"} if count(opening) > 1

else := opening

# The refusal is the same whether the agent exists or not: without the scope nobody learns which ids are known.
scope_reason := concat("", [
	"To ", data.scopes[sort(helpful)[0]][input.operation],
	", the token needs the scope ", concat(" or ", sort(helpful)), ".",
])

# --- the owner is the boundary ---------------------------------------------------------------------------------------

# Another owner's agent and an unknown one look alike. Even an administrator cannot act on what is not there.
visible if {
	not names_agent
	is_null(input.resource)
}

visible if {
	beyond_owner
	input.resource != null
}

visible if input.resource.owner == input.caller.owner

names_agent if input.agentId != null

# An id that is no UUID is not handed over; the route still tells that the operation is about one agent.
names_agent if contains(input.path, "{agentId}")

# Who acts for every owner.
beyond_owner if admin

# Whose rows the request may touch.
default owners := []

owners := "*" if beyond_owner

else := [input.caller.owner] if permitted

# Only an administrator moves agents between owners. `owner` may be repeated, not changed.
changes_owner if {
	input.operation in {"registerAgent", "updateAgent"}
	object.get(input.request, "owner", input.caller.owner) != input.caller.owner
}

# --- nobody hands out more than they have ----------------------------------------------------------------------------

# A capability that is wanted or held counts as covered by itself and by the wildcard of its resource: `data:*` covers
# `data:read`. Nothing but `data:*` covers `data:*`.
covered(capability, held) if capability in held

covered(capability, held) if {
	parts := split(capability, ":")
	count(parts) == 2
	concat("", [parts[0], ":*"]) in held
}

# The scopes that govern AgentIdP itself. Whoever hands out one of them must have it in the token, not just be entitled
# to ask for it: a token narrowed to agents:write makes no secret that can read.
management_scopes := {
	"agents:read",
	"agents:write",
	"tokens:read",
	"tokens:write",
	"audit:read",
	"admin:all",
}

# The management scopes that an agent with these capabilities can have.
powers(capabilities) := {scope |
	some scope in management_scopes
	covered(scope, capabilities)
}

default target_capabilities := set()

target_capabilities := {capability | some capability in input.resource.capabilities}

default requested_capabilities := set()

# These are the caller's words, not yet validated. The server refuses a list longer than 64, so no more are looked at.
requested_capabilities := {capability |
	some capability in array.slice(input.request.capabilities, 0, 64)
	is_string(capability)
} if {
	is_array(input.request.capabilities)
}

default handed_out := set()

# A registration hands out all that it asks for,
handed_out := requested_capabilities if input.operation == "registerAgent"

# a change what it adds (writing back or narrowing what is there hands out nothing),
handed_out := added_capabilities if input.operation == "updateAgent"

# and a secret everything that its agent can do.
handed_out := target_capabilities if input.operation in {"generateCredential", "rotateCredential"}

added_capabilities := {capability |
	some capability in requested_capabilities
	not covered(capability, target_capabilities)
}

beyond_caller if {
	some capability in handed_out
	not covered(capability, input.caller.capabilities)
}

# The checks of a Biscuit may leave none of its scopes: then it opens nothing at all.
passes_nothing if {
	input.caller.tokenType == "biscuit"
	count(input.scopes) == 0
}

# A Biscuit is passed on to sub-agents. It never turns into lasting rights, not even an administrator's.
hands_out if input.operation in {"registerAgent", "generateCredential", "rotateCredential"}

hands_out if count(handed_out) > 0

# --- nobody disarms a stronger one -----------------------------------------------------------------------------------

disarms if input.operation in {"updateAgent", "decommissionAgent"}

# An agent may always revoke its own credentials: one of them may have leaked.
disarms if {
	input.operation == "revokeCredential"
	input.resource.agentId != input.caller.agentId
}

# The management scopes that the agent can have and the token lacks.
stronger_by := powers(target_capabilities) - scopes

# --- token issuance --------------------------------------------------------------------------------------------------

# A client gets the scopes that its agent's capabilities cover. The server refuses the whole request if one that was
# asked for by name is not among them.
client_grant := {
	"allow": true,
	"reason": "A client gets the scopes that its agent's capabilities cover.",
	"owners": [input.caller.owner],
	"rule": "issue_token",
	"scopes": sort(granted_scopes),
}

default granted_scopes := set()

# Of a list longer than 128 the rest is not granted: a decision has a limit on its work.
granted_scopes := {scope |
	some scope in array.slice(input.request.scopes, 0, 128)
	is_scope(scope)
	covered(scope, input.caller.capabilities)
} if {
	is_array(input.request.scopes)
}

# `resource:action`, each part of a-z 0-9 _ . - and beginning with a letter or digit. Never a wildcard.
is_scope(text) if {
	is_string(text)
	count(text) <= 64
	trim(text, "abcdefghijklmnopqrstuvwxyz0123456789_.-:") == ""
	[resource, action] := split(text, ":")
	resource != ""
	trim_left(resource, "_.-") == resource
	action != ""
	trim_left(action, "_.-") == action
}

# --- answers ---------------------------------------------------------------------------------------------------------

allow(rule, reason) := {"allow": true, "reason": reason, "owners": owners, "rule": rule}

refuse(rule, reason) := {"allow": false, "reason": reason, "owners": [], "rule": rule}

refuse_for_scopes(rule, reason, missing) := object.union(refuse(rule, reason), {"missing": sort(missing)})

no_rule := refuse("default_deny", "No rule of the policy permits this request.")

not_found := object.union(refuse("agent_not_found", "There is no such agent."), {"status": 404})

owner_reason := "An agent stays with its owner: only admin:all registers or moves one under another owner."

biscuit_reason := concat("", [
	"A Biscuit hands out no rights: ",
	"to register an agent, add a capability, make or rotate a credential, use an access token of another kind.",
])

stronger_reason := "The agent can have management scopes that the token lacks, so the token may not disarm it."

beyond_capabilities_reason := "Nobody hands out more than they have: the calling agent lacks one of the capabilities."

beyond_token_reason := "Nobody hands out more than they have: the token lacks management scopes that this hands out."
