// Package tests runs published OAuth and JWT libraries of Go against AgentIdP.
package tests

import (
	"encoding/json"
	"os"
	"testing"
)

// server is what `agentidp dev --json` prints.
type server struct {
	BaseURL      string `json:"baseUrl"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
}

func (s server) tokenURL() string { return s.BaseURL + "/api/v1/token" }

// servers gives the servers of this run by their algorithm of signatures, as `tests/run` hands them over.
func servers(t *testing.T) map[string]server {
	t.Helper()
	var all map[string]server
	if err := json.Unmarshal([]byte(os.Getenv("AGENTIDP_SERVERS")), &all); err != nil {
		t.Fatalf("AGENTIDP_SERVERS: %v; start this suite with `tests/run go`", err)
	}
	if len(all) != 4 {
		t.Fatalf("%d servers instead of 4", len(all))
	}
	return all
}
