package policy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"sync"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

const (
	query = "data.agentidp.authz.decision"
	// As many differences are told as somebody may want to read.
	mostTold = 10
	// Fewer lines than this are no proof of anything.
	leastInputs = 20_000
	record      = "run `cargo test --workspace --locked --test policy_agreement`, which writes it"
)

// target is a path in Cargo's folder of this repository.
func target(parts ...string) string {
	root := os.Getenv("CARGO_TARGET_DIR")
	if root == "" {
		root = "target"
	}
	if !filepath.IsAbs(root) {
		root = filepath.Join("..", "..", root)
	}
	return filepath.Join(append([]string{root}, parts...)...)
}

// What the engines of the server decided: the hash of the policy, then one input and its decision a line.
func decisions() string { return target("tmp", "policy-decisions.jsonl") }

// hash is the one of the server: SHA-256 over both texts, each after its length.
func hash(texts ...string) string {
	sum := sha256.New()
	for _, text := range texts {
		sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
		sum.Write([]byte(text))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func prepare(t *testing.T, policy, data string) rego.PreparedEvalQuery {
	t.Helper()
	// An error of a built-in function is an error in the server; in stock OPA its expression is undefined. As long as
	// there is none, both are the same.
	prepared, err := rego.New(rego.Query(query), rego.Module("authz.rego", policy), rego.StrictBuiltinErrors(true),
		rego.Store(inmem.NewFromReader(bytes.NewBufferString(data)))).PrepareForEval(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return prepared
}

// decide gives the decision of OPA with the members that it may leave out.
func decide(ctx context.Context, policy rego.PreparedEvalQuery, input any) (map[string]any, error) {
	results, err := policy.Eval(ctx, rego.EvalInput(input))
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, errors.New("the decision is undefined")
	}
	decided, ok := results[0].Expressions[0].Value.(map[string]any)
	if !ok {
		return nil, errors.New("the decision is no object")
	}
	whole := map[string]any{"rule": nil, "status": json.Number("403"), "missing": []any{}, "scopes": nil}
	for name, value := range decided {
		whole[name] = value
	}
	return whole, nil
}

// difference tells how OPA decides otherwise than the line says; empty if it does not.
func difference(ctx context.Context, policy rego.PreparedEvalQuery, line []byte) string {
	var recorded struct {
		Input map[string]any `json:"input"`
		// Null where there is none, by an error or because it is undefined.
		Decision *map[string]any `json:"decision"`
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if err := decoder.Decode(&recorded); err != nil || recorded.Input == nil {
		return fmt.Sprintf("not a decision (%v): %.200s", err, line)
	}
	decided, err := decide(ctx, policy, recorded.Input)
	none := recorded.Decision == nil
	if (err != nil && none) || (err == nil && !none && reflect.DeepEqual(decided, *recorded.Decision)) {
		return ""
	}
	return fmt.Sprintf("AgentIdP: %s\nOPA:      %s (error: %v)\ninput:    %s",
		text(recorded.Decision), text(decided), err, text(recorded.Input))
}

func text(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// differences holds every recorded decision against the policy, on all processors, and ends early when it has `most`.
func differences(t *testing.T, policy rego.PreparedEvalQuery, most int) (count int, found []string) {
	t.Helper()
	file, reader := recorded(t)
	defer file.Close()
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	lines, told := make(chan []byte, 64), make(chan string)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for line := range lines {
				told <- difference(ctx, policy, line)
			}
		})
	}
	go func() {
		defer close(lines)
		// A record is whole, or has another name: what does not end in a new line is nothing.
		for line, err := reader.ReadBytes('\n'); err == nil && ctx.Err() == nil; line, err = reader.ReadBytes('\n') {
			lines <- line
		}
	}()
	go func() {
		workers.Wait()
		close(told)
	}()
	for difference := range told {
		if ctx.Err() != nil {
			continue
		}
		count++
		if difference != "" {
			found = append(found, difference)
		}
		if len(found) == most {
			enough()
		}
	}
	return count, found
}

// recorded opens the decisions, which must be those of this policy, behind their first line.
func recorded(t *testing.T) (*os.File, *bufio.Reader) {
	t.Helper()
	file, err := os.Open(decisions())
	if err != nil {
		t.Fatalf("%v; %s", err, record)
	}
	reader := bufio.NewReader(file)
	first, _ := reader.ReadBytes('\n')
	var head struct {
		PolicyHash string `json:"policyHash"`
	}
	if err := json.Unmarshal(first, &head); err != nil || head.PolicyHash != hash(read(t, regoFile), read(t, dataFile)) {
		t.Fatalf("%s holds decisions of another policy (%v); %s", decisions(), err, record)
	}
	return file, reader
}

func TestOPADecidesAsTheServerDoes(t *testing.T) {
	count, found := differences(t, prepare(t, read(t, regoFile), read(t, dataFile)), mostTold)
	for _, difference := range found {
		t.Errorf("OPA decides otherwise:\n%s", difference)
	}
	if len(found) == 0 && count < leastInputs {
		t.Errorf("only %d decisions are recorded; %s", count, record)
	}
	t.Logf("%d decisions compared", count)
}

// A comparison that finds nothing is worth what it would find: each of these small changes must be found.
func TestAChangedPolicyIsFound(t *testing.T) {
	policy, data := read(t, regoFile), read(t, dataFile)
	for _, change := range [][2]string{
		{"not complete\n", "complete\n"},
		{"\tis_string(input.path)\n", ""},
		{"\treadable_resource\n", ""},
		{"is_array(input.request.capabilities)", "input.request.capabilities"},
		{"\tbeyond_owner\n\tinput.resource != null", "\tbeyond_owner"},
		{"contains(input.path, \"{agentId}\")", "contains(input.path, \"{agentid}\")"},
		{"visible if input.resource.owner == input.caller.owner", "visible if lower(input.resource.owner) == lower(input.caller.owner)"},
		{"opening - {\"admin:all\"}", "opening"},
		{"input.operation in {\"registerAgent\", \"updateAgent\"}", "input.operation in {\"registerAgent\"}"},
		{"\tcount(parts) == 2\n", ""},
		{"\t\"audit:read\",\n\t\"admin:all\",\n}", "\t\"admin:all\",\n}"},
		{"array.slice(input.request.capabilities, 0, 64)", "array.slice(input.request.capabilities, 0, 65)"},
		{"array.slice(input.request.scopes, 0, 128)", "array.slice(input.request.scopes, 0, 127)"},
		{"count(text) <= 64", "count(text) <= 65"},
		{"count(text) <= 64", "count(text) < 64"},
		{"\ttrim_left(action, \"_.-\") == action\n", ""},
		{"input.resource.agentId != input.caller.agentId", "input.resource.owner != input.caller.owner"},
		{"{\"status\": 404}", "{\"status\": 403}"},
		{"\"scopes\": sort(granted_scopes)", "\"scopes\": []"},
		{"\"owners\": [input.caller.owner],\n\t\"rule\": \"issue_token\"", "\"owners\": [],\n\t\"rule\": \"issue_token\""},
		{"There is no such agent.", "There is no such agent"},
	} {
		find(t, fmt.Sprintf("%q in place of %q", change[1], change[0]), changed(t, policy, change[0], change[1]), data)
	}
	find(t, "an operation less", policy, changed(t, data, "\"getAgent\": \"read an agent\",\n      \"listCredentials\": \"list the credentials of an agent\"\n", "\"getAgent\": \"read an agent\"\n"))
}

func find(t *testing.T, name, policy, data string) {
	t.Helper()
	if count, found := differences(t, prepare(t, policy, data), 1); len(found) == 0 {
		t.Errorf("with %s all %d decisions are the same", name, count)
	}
}
