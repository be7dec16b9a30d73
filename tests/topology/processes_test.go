package topology

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// How long anything may take on a busy machine.
const patience = 90 * time.Second

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// setting is a variable that scripts/with-servers or tests/run sets.
func setting(name string) string {
	value := os.Getenv(name)
	if value == "" {
		panic(name + " is not set: run tests/run topology")
	}
	return value
}

// drawSecrets draws secrets into a folder of the test.
func drawSecrets(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "secrets")
	run(t, exec.Command(filepath.Join(root, "deploy/make-secrets"), folder))
	return folder
}

// environment is what the service of docker-compose.yml has, with its secrets in the folder; `other` has what differs
// without containers.
func environment(t *testing.T, service, secrets string, other map[string]string) []string {
	t.Helper()
	result := []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range project(t).Services[service].Environment {
		if changed, ok := other[name]; ok {
			value = &changed
		}
		result = append(result, name+"="+strings.Replace(*value, "/run/secrets", secrets, 1))
	}
	return result
}

func agentidp(environment []string, arguments ...string) *exec.Cmd {
	command := exec.Command(setting("AGENTIDP"), arguments...)
	command.Env, command.Dir = environment, os.TempDir()
	return command
}

// run runs a command to its good end; its standard output.
func run(t *testing.T, command *exec.Cmd) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", command.Args, err, stderr.String())
	}
	return stdout.Bytes()
}

// process is a command that goes on; it is killed when the test is over, and its log shown if the test failed.
type process struct {
	command *exec.Cmd
	ended   chan error
}

func start(t *testing.T, command *exec.Cmd) *process {
	t.Helper()
	log := must(os.Create(filepath.Join(t.TempDir(), "log")))
	command.Stdout, command.Stderr = log, log
	// With the test, whatever becomes of it.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	running := &process{command, make(chan error, 1)}
	go func() { running.ended <- command.Wait() }()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		log.Close()
		if t.Failed() {
			t.Logf("%v:\n%s", command.Args, tail(must(os.ReadFile(log.Name()))))
		}
	})
	return running
}

func tail(text []byte) []byte { return text[max(0, len(text)-4000):] }

// kill ends the process at once.
func (running *process) kill(t *testing.T) {
	t.Helper()
	if err := running.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-running.ended
}

// stop asks the process to end, which it must do well.
func (running *process) stop(t *testing.T) {
	t.Helper()
	if err := running.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-running.ended:
		if err != nil {
			t.Errorf("%v ended with %v", running.command.Args, err)
		}
	case <-time.After(patience):
		t.Errorf("%v does not end", running.command.Args)
	}
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for begun := time.Now(); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Since(begun) > patience {
			t.Fatalf("still not: %s", what)
		}
	}
}

// nextPort is where address looks next: each process begins somewhere else.
var nextPort = rand.IntN(10_000)

// address is one on the loopback that nobody listens on, each time another one. Its port is below the range from which the kernel serves
// connections and port 0 (32768 and up on Linux), so that nobody is given it by chance before the server takes it.
func address() string {
	for {
		address := fmt.Sprintf("127.0.0.1:%d", 10_000+nextPort%10_000)
		nextPort++
		if listener, err := net.Listen("tcp", address); err == nil {
			listener.Close()
			return address
		}
	}
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// rewrite copies a file of deploy/ with replacements; it fails if one of them finds nothing.
func rewrite(t *testing.T, name string, replacements map[string]string) string {
	t.Helper()
	text := string(must(os.ReadFile(name)))
	for from, to := range replacements {
		if !strings.Contains(text, from) {
			t.Fatal(fmt.Sprintf("%s does not hold %q", name, from))
		}
		text = strings.ReplaceAll(text, from, to)
	}
	copied := filepath.Join(t.TempDir(), filepath.Base(name))
	if err := os.WriteFile(copied, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return copied
}
