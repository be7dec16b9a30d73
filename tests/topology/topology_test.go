package topology

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// topology is what docker-compose.yml describes, as processes of this machine.
type topology struct {
	t       *testing.T
	secrets string
	// Where the load balancer, the two servers, Redis and OpenBao listen.
	balancer, a, b, redis, vault string
	client, secret               string
}

func (top *topology) start() {
	top.secrets = drawSecrets(top.t)
	top.balancer, top.a, top.b, top.redis, top.vault = address(), address(), address(), address(), address()
	top.startPostgres()
	top.startRedis()
	top.startVault()
	top.job("migrate", nil, "migrate")
	var admin struct{ ClientId, ClientSecret string }
	if err := json.Unmarshal(top.job("agentidp-a", top.settings(top.a), "bootstrap", "--json"), &admin); err != nil {
		top.t.Fatal(err)
	}
	top.client, top.secret = admin.ClientId, admin.ClientSecret
}

// startPostgres makes the two roles with the script of the container, in a cluster that is there.
func (top *topology) startPostgres() {
	server := must(url.Parse(setting("AGENTIDP_TEST_POSTGRES_URL")))
	roles := rewrite(top.t, filepath.Join(root, "deploy/postgres-roles.sql"), map[string]string{"/run/secrets": top.secrets})
	run(top.t, exec.Command("psql", "-X", "-q", "-d", server.String(), "-f", roles))
	for _, name := range []string{"database_url", "migration_database_url"} {
		top.move(name, "postgres:5432", server.Host)
	}
}

func (top *topology) startRedis() {
	top.move("redis_url", "redis:6379", top.redis)
	command := exec.Command("redis-server", filepath.Join(top.secrets, "redis.conf"), "--bind", "127.0.0.1", "--port", port(top.redis))
	start(top.t, command)
	eventually(top.t, "Redis listens", func() bool { return listens(top.redis) })
}

func (top *topology) startVault() {
	data, policy := top.t.TempDir(), must(filepath.Abs(filepath.Join(root, "docs/vault/agentidp-policy.hcl")))
	configuration := rewrite(top.t, filepath.Join(root, "deploy/openbao.hcl"), map[string]string{
		"/run/secrets":                        top.secrets,
		"/openbao/file":                       data,
		"/openbao/config/agentidp-policy.hcl": policy,
		"0.0.0.0:8200":                        top.vault,
		"https://vault:8200":                  "https://" + top.vault,
		"https://vault:8201":                  "https://" + address(),
	})
	start(top.t, exec.Command("bao", "server", "-config="+configuration))
	eventually(top.t, "OpenBao lets the role in", func() bool {
		login := exec.Command("bao", "write", "auth/approle/login", "role_id=agentidp", "secret_id=@"+top.secrets+"/vault_secret_id")
		login.Env = append(environment(top.t, "vault", top.secrets, map[string]string{"BAO_ADDR": "https://" + top.vault}), "HOME="+data)
		return login.Run() == nil
	})
}

// move lets a secret name another place.
func (top *topology) move(name, from, to string) {
	file := filepath.Join(top.secrets, name)
	text := string(must(os.ReadFile(file)))
	if !strings.Contains(text, from) {
		top.t.Fatalf("%s does not name %s", name, from)
	}
	_ = os.Remove(file)
	if err := os.WriteFile(file, []byte(strings.Replace(text, from, to, 1)), 0o600); err != nil {
		top.t.Fatal(err)
	}
}

// settings are those of a server that differ without containers.
func (top *topology) settings(listen string) map[string]string {
	return map[string]string{
		"ISSUER":          "http://localhost:" + port(top.balancer),
		"HOST":            "127.0.0.1",
		"PORT":            port(listen),
		"METRICS_ADDR":    "127.0.0.1:0",
		"TRUSTED_PROXIES": "127.0.0.1/32",
		"VAULT_ADDR":      "https://" + top.vault,
	}
}

// job runs a command of agentidp with the environment of a service.
func (top *topology) job(service string, other map[string]string, arguments ...string) []byte {
	return run(top.t, agentidp(environment(top.t, service, top.secrets, other), arguments...))
}

func (top *topology) serve(service, listen string) *process {
	server := start(top.t, agentidp(environment(top.t, service, top.secrets, top.settings(listen)), "serve"))
	eventually(top.t, service+" is ready", func() bool {
		answer, err := http.Get("http://" + listen + "/health/ready")
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	})
	return server
}

func (top *topology) balance() {
	command := exec.Command("haproxy", "-f", filepath.Join(root, "deploy/haproxy.cfg"))
	command.Env = environment(top.t, "haproxy", "", map[string]string{
		"LISTEN": top.balancer, "AGENTIDP_A": top.a, "AGENTIDP_B": top.b,
	})
	start(top.t, command)
	eventually(top.t, "the balancer listens", func() bool { return listens(top.balancer) })
}

func listens(address string) bool {
	connection, err := net.Dial("tcp", address)
	return err == nil && connection.Close() == nil
}

// ask sends a request to a server and gives the answer's body, which must come with the status.
func (top *topology) ask(status int, method, address, path, bearer, content, body string) map[string]any {
	top.t.Helper()
	request := must(http.NewRequest(method, "http://"+address+path, strings.NewReader(body)))
	request.Header.Set("Content-Type", content)
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		top.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer answer.Body.Close()
	parsed := map[string]any{}
	_ = json.NewDecoder(answer.Body).Decode(&parsed)
	if answer.StatusCode != status {
		top.t.Fatalf("%s %s: %d %v", method, path, answer.StatusCode, parsed)
	}
	return parsed
}

const (
	form     = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

func (top *topology) token(client, secret string) string {
	top.t.Helper()
	body := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}}
	return top.ask(200, "POST", top.balancer, "/api/v1/token", "", form, body.Encode())["access_token"].(string)
}

// mainJob: an agent is registered, gets a credential and a token, which lives everywhere and then nowhere.
func (top *topology) mainJob(number int, replicas ...string) {
	top.t.Helper()
	admin := top.token(top.client, top.secret)
	registration := fmt.Sprintf(`{"email": "agent-%d@example.com", "agentType": "custom", "version": "1.0.0",
		"capabilities": ["data:read"], "owner": "team-a", "deploymentEnv": "production"}`, number)
	agent := top.ask(201, "POST", top.balancer, "/api/v1/agents", admin, jsonType, registration)["agentId"].(string)
	credential := top.ask(201, "POST", top.balancer, "/api/v1/agents/"+agent+"/credentials", admin, jsonType, "")
	token := top.token(agent, credential["clientSecret"].(string))
	presented := url.Values{"token": {token}}.Encode()
	active := func(address string) bool {
		return top.ask(200, "POST", address, "/api/v1/token/introspect", admin, form, presented)["active"].(bool)
	}
	for _, address := range append(replicas, top.balancer) {
		if !active(address) {
			top.t.Fatalf("%s does not know the token", address)
		}
	}
	top.ask(200, "POST", top.balancer, "/api/v1/token/revoke", token, form, presented)
	for _, address := range append(replicas, top.balancer) {
		if active(address) {
			top.t.Fatalf("%s takes a revoked token", address)
		}
	}
	events := top.ask(200, "GET", top.balancer, "/api/v1/audit?agentId="+agent, admin, jsonType, "")["data"].([]any)
	if len(events) < 4 {
		top.t.Fatalf("the audit log has %v", events)
	}
}

func TestTheTopologyGoesOnWithoutOneReplica(t *testing.T) {
	top := &topology{t: t}
	top.start()
	a, b := top.serve("agentidp-a", top.a), top.serve("agentidp-b", top.b)
	top.balance()
	number := 0
	job := func(replicas ...string) {
		t.Helper()
		number++
		top.mainJob(number, replicas...)
	}
	for range 3 {
		job(top.a, top.b)
	}
	top.ask(404, "GET", top.balancer, "/metrics", "", jsonType, "")
	a.kill(t)
	for range 10 {
		job(top.b)
	}
	a = top.serve("agentidp-a", top.a)
	b.kill(t)
	for range 10 {
		job(top.a)
	}
	b = top.serve("agentidp-b", top.b)
	job(top.a, top.b)
	a.stop(t)
	b.stop(t)
}
