// Package topology shows that docker-compose.yml is what its own reference implementation reads, that it keeps the rules
// of a deployment, and that what it describes works: the same processes, without containers, with the same files.
package topology

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

const root = "../.."

var servers = []string{"agentidp-a", "agentidp-b"}

// compose reads the file with the settings of .env.example, and others on top.
func compose(environment types.Mapping) (*types.Project, error) {
	folder, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	settings, err := dotenv.Read(filepath.Join(folder, ".env.example"))
	if err != nil {
		return nil, err
	}
	maps.Copy(settings, environment)
	details := types.ConfigDetails{
		WorkingDir:  folder,
		ConfigFiles: types.ToConfigFiles([]string{filepath.Join(folder, "docker-compose.yml")}),
		Environment: settings,
	}
	return loader.LoadWithContext(context.Background(), details, func(options *loader.Options) {
		options.SetProjectName("agentidp", true)
	})
}

func project(t *testing.T) *types.Project {
	t.Helper()
	project, err := compose(nil)
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestTheFileIsValidAndNeedsAnIssuer(t *testing.T) {
	services := slices.Sorted(maps.Keys(project(t).Services))
	expected := []string{"agentidp-a", "agentidp-b", "haproxy", "migrate", "postgres", "redis", "vault"}
	if !slices.Equal(services, expected) {
		t.Errorf("services: %v", services)
	}
	if _, err := compose(types.Mapping{"ISSUER": ""}); err == nil || !strings.Contains(err.Error(), "ISSUER") {
		t.Errorf("without ISSUER: %v", err)
	}
}

func TestEveryServiceIsBounded(t *testing.T) {
	version := regexp.MustCompile(`:[0-9][a-z0-9.-]*$`)
	for name, service := range project(t).Services {
		t.Run(name, func(t *testing.T) {
			if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) || service.Privileged {
				t.Error("it may more than it needs")
			}
			if !slices.Equal(service.SecurityOpt, []string{"no-new-privileges:true"}) {
				t.Error("it may gain rights")
			}
			if service.Build == nil && !version.MatchString(service.Image) {
				t.Errorf("%s has no version", service.Image)
			}
			if service.Build != nil && service.User != "65532:65532" {
				t.Errorf("it runs as %q", service.User)
			}
			if service.HealthCheck == nil || (service.HealthCheck.Disable != (name == "migrate")) {
				t.Error("nobody learns whether it is well")
			}
			for _, port := range service.Ports {
				if name != "haproxy" || port.HostIP != "127.0.0.1" {
					t.Errorf("it publishes %s:%s", port.HostIP, port.Published)
				}
			}
		})
	}
}

// Secrets come as files, each of which make-secrets draws; the environment holds none.
func TestSecretsAreFiles(t *testing.T) {
	project, folder := project(t), drawSecrets(t)
	var defined []string
	for name, secret := range project.Secrets {
		defined = append(defined, name)
		if secret.File != filepath.Join(project.WorkingDir, "deploy/secrets", name) {
			t.Errorf("%s is %q", name, secret.File)
		}
	}
	slices.Sort(defined)
	var drawn []string
	for _, entry := range must(os.ReadDir(folder)) {
		drawn = append(drawn, entry.Name())
	}
	if !slices.Equal(defined, drawn) {
		t.Errorf("defined %v, drawn %v", defined, drawn)
	}
	if mode := must(os.Stat(folder)).Mode().Perm(); mode != 0o700 {
		t.Errorf("the folder has mode %o", mode)
	}
	if again := exec.Command(filepath.Join(root, "deploy/make-secrets"), folder); again.Run() == nil {
		t.Error("secrets were drawn over others")
	}
	secret := regexp.MustCompile(`(?i)(password|secret|token|key)`)
	for name, service := range project.Services {
		for variable, value := range service.Environment {
			file := strings.HasPrefix(*value, "/run/secrets/")
			if secret.MatchString(variable) && !file {
				t.Errorf("%s has %s in its environment", name, variable)
			}
			if file && !slices.ContainsFunc(service.Secrets, func(given types.ServiceSecretConfig) bool {
				return "/run/secrets/"+given.Source == *value
			}) {
				t.Errorf("%s is not given %s", name, *value)
			}
		}
	}
}

// What cannot draw all of them says so and draws none.
func TestSecretsAreDrawnWholeOrNotAtAll(t *testing.T) {
	for name, test := range map[string]struct{ openssl, words string }{
		"old":    {"echo OpenSSL 1.1.1w 11 Sep 2023", "is OpenSSL 1.1.1w 11 Sep 2023; install OpenSSL 3 or newer"},
		"other":  {"echo LibreSSL 3.3.6", "is LibreSSL 3.3.6; install OpenSSL 3 or newer"},
		"broken": {`[ "$1" = version ] && echo OpenSSL 3.0.19 || { echo no entropy >&2; exit 1; }`, "no entropy\n"},
		"late": {
			`case "$1 $*" in version*) echo OpenSSL 10.0.0 ;; *-CA*) echo unknown option >&2; exit 1 ;; esac`,
			"unknown option\nmake-secrets: openssl makes no certificate; nothing was drawn\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			programs, place := t.TempDir(), t.TempDir()
			script := "#!/bin/sh\n" + test.openssl + "\n"
			if err := os.WriteFile(filepath.Join(programs, "openssl"), []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			command := exec.Command(filepath.Join(root, "deploy/make-secrets"), filepath.Join(place, "secrets"))
			command.Env = []string{"PATH=" + programs + ":" + os.Getenv("PATH"), "TMPDIR=" + place}
			told, err := command.CombinedOutput()
			if err == nil || !strings.Contains(string(told), test.words) {
				t.Errorf("%v: %s", err, told)
			}
			if left := must(os.ReadDir(place)); len(left) > 0 {
				t.Errorf("it left %v", left)
			}
		})
	}
}

func TestMountedFilesAreThereAndReadOnly(t *testing.T) {
	mounted := 0
	for name, service := range project(t).Services {
		for _, volume := range service.Volumes {
			if volume.Type != types.VolumeTypeBind {
				continue
			}
			mounted++
			if info, err := os.Stat(volume.Source); err != nil || !info.Mode().IsRegular() || !volume.ReadOnly {
				t.Errorf("%s mounts %s: %v", name, volume.Source, err)
			}
		}
	}
	if mounted != 4 {
		t.Errorf("%d files are mounted", mounted)
	}
}

func TestTheServersTakeTheirSettings(t *testing.T) {
	secrets := drawSecrets(t)
	for _, name := range servers {
		check := agentidp(environment(t, name, secrets, nil), "config", "check")
		if output, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, output)
		}
	}
}

func TestTheBalancerTakesItsSettings(t *testing.T) {
	check := exec.Command("haproxy", "-c", "-f", filepath.Join(root, "deploy/haproxy.cfg"))
	check.Env = environment(t, "haproxy", "", nil)
	if output, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

// What a linter would look for; the image itself is built where there is Docker.
func TestTheImageHasNoShellAndNoRights(t *testing.T) {
	lines := strings.Split(string(must(os.ReadFile(filepath.Join(root, "Dockerfile")))), "\n")
	var stages, last []string
	for _, line := range lines {
		if strings.HasPrefix(line, "FROM ") {
			stages, last = append(stages, line), nil
		}
		last = append(last, line)
	}
	if len(stages) != 2 || !strings.HasPrefix(stages[1], "FROM gcr.io/distroless/") {
		t.Errorf("stages: %v", stages)
	}
	toolchain := string(must(os.ReadFile(filepath.Join(root, "rust-toolchain.toml"))))
	tag := regexp.MustCompile(`rust:([0-9]+\.[0-9]+)-`).FindStringSubmatch(stages[0])
	if tag == nil || !strings.Contains(toolchain, `"`+tag[1]+".") {
		t.Errorf("%s is not the compiler of rust-toolchain.toml", stages[0])
	}
	for _, wanted := range []string{
		"USER 65532:65532",
		`ENTRYPOINT ["/usr/local/bin/agentidp"]`,
		`CMD ["/usr/local/bin/agentidp", "healthcheck"]`,
	} {
		if !slices.ContainsFunc(last, func(line string) bool { return strings.HasSuffix(line, wanted) }) {
			t.Errorf("the image lacks %s", wanted)
		}
	}
	for _, line := range last {
		if strings.HasPrefix(line, "RUN ") {
			t.Errorf("there is no shell for %s", line)
		}
	}
}
