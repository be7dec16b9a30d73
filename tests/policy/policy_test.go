// Package policy holds the policy of AgentIdP against OPA and regal, which know nothing of the engines that it runs on.
package policy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	folder = "../../policies"
	schema = folder + "/schema/input.json"
	// What the server takes, and stock OPA as well.
	regoFile, dataFile, testFile = folder + "/authz.rego", folder + "/data/scopes.json", folder + "/authz_test.rego"
)

// tool runs a tool of go.mod and gives what it printed.
func tool(t *testing.T, name string, arguments ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"tool", name}, arguments...)...)
	output, err := command.CombinedOutput()
	return string(output), err
}

// passes fails the test with what the tool printed, unless it ended well.
func passes(t *testing.T, name string, arguments ...string) {
	t.Helper()
	if output, err := tool(t, name, arguments...); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, output)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// changed gives the text with one place changed, which must be there once.
func changed(t *testing.T, text, from, to string) string {
	t.Helper()
	if count := strings.Count(text, from); count != 1 {
		t.Fatalf("%q stands %d times in the policy; change this test with it", from, count)
	}
	return strings.Replace(text, from, to, 1)
}

// write keeps the text in a file of the test's own.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
