package policy

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestThePolicyIsFormatted(t *testing.T) {
	output, err := tool(t, "opa", "fmt", "--list", folder)
	if err != nil || output != "" {
		t.Fatalf("run `opa fmt --write policies`: %v\n%s", err, output)
	}
	crooked := write(t, "crooked.rego", "package crooked\nallow  if true\n")
	if output, err := tool(t, "opa", "fmt", "--list", crooked); err != nil || strings.TrimSpace(output) != crooked {
		t.Fatalf("what is not formatted is not found: %v\n%s", err, output)
	}
}

func TestThePolicyIsStrict(t *testing.T) {
	passes(t, "opa", "check", "--strict", regoFile, testFile, dataFile)
}

// The schema of the input finds members that the server never sends.
func TestMembersOfTheInputAreSpeltAsTheServerSendsThem(t *testing.T) {
	passes(t, "opa", "check", "--strict", "--schema", schema, regoFile)
	policy := read(t, regoFile)
	for right, wrong := range map[string]string{
		"is_string(input.operation)":                     "is_string(input.operatoin)",
		"is_string(input.caller.owner)":                  "is_string(input.caller.ownr)",
		"is_string(input.resource.owner)":                "is_string(input.resource.tokenType)",
		"input.resource.agentId != input.caller.agentId": "input.resource.agentID != input.caller.agentId",
		"input.agentId != null":                          "input.agentID != null",
		"is_array(input.request.capabilities)":           "is_array(input.request.capability)",
		"some scope in array.slice(input.request.":       "some scope in array.slice(input.requests.",
	} {
		misspelt := write(t, "misspelt.rego", changed(t, policy, right, wrong))
		passes(t, "opa", "check", "--strict", misspelt)
		output, err := tool(t, "opa", "check", "--strict", "--schema", schema, misspelt)
		if err == nil || !strings.Contains(output, "undefined ref") {
			t.Errorf("%q is not found: %v\n%s", wrong, err, output)
		}
	}
}

// As many tests hold under OPA as under the server's own engine.
func TestTheTestsHoldUnderBoth(t *testing.T) {
	output, err := exec.CommandContext(t.Context(), agentidp(t), "policy", "test", "--json", folder).Output()
	if err != nil {
		t.Fatalf("agentidp policy test: %v\n%s", err, output)
	}
	var ours struct {
		OK    bool `json:"ok"`
		Tests int  `json:"tests"`
	}
	if err := json.Unmarshal(output, &ours); err != nil || !ours.OK {
		t.Fatalf("agentidp policy test: %v\n%s", err, output)
	}
	text, err := tool(t, "opa", "test", "--format", "json", regoFile, testFile, dataFile)
	if err != nil {
		t.Fatalf("opa test: %v\n%s", err, text)
	}
	var theirs []struct {
		Name string `json:"name"`
		Fail bool   `json:"fail"`
		Skip bool   `json:"skip"`
	}
	if err := json.Unmarshal([]byte(text), &theirs); err != nil {
		t.Fatalf("opa test: %v\n%s", err, text)
	}
	for _, test := range theirs {
		if test.Fail || test.Skip {
			t.Errorf("%s does not hold under OPA", test.Name)
		}
	}
	if len(theirs) != ours.Tests {
		t.Errorf("OPA ran %d tests, agentidp %d", len(theirs), ours.Tests)
	}
}

// agentidp is the server that was built last; tests/run names it.
func agentidp(t *testing.T) string {
	t.Helper()
	path := os.Getenv("AGENTIDP")
	if path == "" {
		path = target("debug", "agentidp")
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; run `cargo build --workspace --locked`", err)
	}
	return path
}

func TestThePolicyIsIdiomatic(t *testing.T) {
	passes(t, "regal", "lint", "--no-color", folder)
	odd := write(t, "odd.rego", "package odd\n\nallow if input.a == input.a\n")
	if output, err := tool(t, "regal", "lint", "--no-color", odd); err == nil {
		t.Fatalf("regal finds nothing where there is something:\n%s", output)
	}
}
