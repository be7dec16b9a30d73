package policy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The examples of docs/POLICY.md are as good as the policy that they change.
func TestTheExamplesHoldUnderOPA(t *testing.T) {
	patches, err := filepath.Glob("../../docs/policy/*.patch")
	if err != nil || len(patches) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, patch := range patches {
		t.Run(filepath.Base(patch), func(t *testing.T) {
			example := filepath.Join(t.TempDir(), "policy")
			if err := os.CopyFS(example, os.DirFS(folder)); err != nil {
				t.Fatal(err)
			}
			apply(t, patch, example)
			rego, data := filepath.Join(example, "authz.rego"), filepath.Join(example, "data", "scopes.json")
			name := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(patch), ".patch"), "-", "_")
			own := filepath.Join(filepath.Dir(patch), name+"_test.rego")
			passes(t, "opa", "check", "--strict", "--schema", schema, rego)
			passes(t, "opa", "test", rego, data, filepath.Join(example, "authz_test.rego"), own)
			if output, err := tool(t, "opa", "fmt", "--list", example, own); err != nil || output != "" {
				t.Errorf("opa fmt: %v\n%s", err, output)
			}
			passes(t, "regal", "lint", "--no-color", "--config-file", folder+"/.regal/config.yaml", example, own)
		})
	}
}

// apply changes the folder by the patch, with git: whoever has these files has that.
func apply(t *testing.T, patch, folder string) {
	t.Helper()
	absolute, err := filepath.Abs(patch)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "git", "apply", "-p1", absolute)
	command.Dir = folder
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("git apply %s: %v\n%s", patch, err, output)
	}
}
