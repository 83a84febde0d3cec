package up

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"synod/core/config"
)

// fakeDaemon is a file that could be the replica's program.
func fakeDaemon(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), daemonName)
	if err := os.WriteFile(file, []byte("#!/bin/sh\nexit 7\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLocalConfigIsValid(t *testing.T) {
	c, err := config.Parse(config.Source{Name: "local", Text: []byte(LocalConfig())})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Replicas) != 5 || !c.Faults.Enabled {
		t.Errorf("%d replicas, faults %v", len(c.Replicas), c.Faults.Enabled)
	}
}

// TestGeneratedConfigSaysTheSame: what children read from the generated file is what flags, environment and file said.
func TestGeneratedConfigSaysTheSame(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.toml")
	text := LocalConfig() + "[consensus]\nwindow = 8\n[faults.random]\nacceptor = { every = \"7s\", down = \"1s..2s\" }\n"
	text = strings.Replace(text, `"demo"`, `"12 \"odd\" \\ \u0007"`, 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), `a "folder"`)
	plan, err := Prepare(Options{
		ConfigFile: file, Environ: []string{"SYNOD_LOG_LEVEL=debug", "SYNOD_STORAGE_DIR=/nowhere", "PATH=/bin"}, Data: data,
		Daemon: fakeDaemon(t), PortsFrom: 7300,
	})
	if err != nil {
		t.Fatal(err)
	}
	read, err := config.Load(plan.ConfigFile, plan.environ, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := plan.Config.Explain()
	for i, setting := range read.Explain() {
		if setting.Key != want[i].Key || setting.Value != want[i].Value {
			t.Errorf("%s is %q for children, %q here", setting.Key, setting.Value, want[i].Value)
		}
	}
	r3, _ := read.Replica("r3")
	ports := r3.Client == "127.0.0.1:7303" && r3.Peer == "127.0.0.1:7313"
	if read.Storage.Dir != data || !ports || read.Log.Level != "debug" {
		t.Errorf("storage %s, r3 %+v, level %s", read.Storage.Dir, r3, read.Log.Level)
	}
	if want := filepath.Join(data, "logs"); read.Log.Dir != want {
		t.Errorf("with ports of its own the cluster logs to %s, want %s", read.Log.Dir, want)
	}
	if err := plan.Discard(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(data); err != nil {
		t.Errorf("a folder that was given is gone: %v", err)
	}
}

func TestTemporaryFolderIsRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	plan, err := Prepare(Options{Daemon: fakeDaemon(t), RandomPorts: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Discard(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(plan.Data); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", plan.Data, err)
	}
}

func TestErrorsNameTheRemedy(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	_, err := Prepare(Options{})
	if err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("without the replica's program: %v", err)
	}
	_, err = Prepare(Options{Daemon: fakeDaemon(t), RandomPorts: true, PortsFrom: 1000})
	if err == nil || !strings.Contains(err.Error(), "not both") {
		t.Errorf("with two wishes for ports: %v", err)
	}
	left, readErr := os.ReadDir(os.Getenv("TMPDIR"))
	if readErr != nil || len(left) > 0 {
		t.Errorf("failures left %v behind, error %v", left, readErr)
	}
}

// TestReservedPortsAreOnesOwn: many plans at once, none of which has started anything yet, share no port.
func TestReservedPortsAreOnesOwn(t *testing.T) {
	seen := map[int]bool{}
	for range 40 {
		ports, guard, err := reservePorts(10)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = guard.Close() }()
		for _, port := range ports {
			if seen[port] || port < randomPortMin || port >= randomPortMax {
				t.Errorf("port %d of %v", port, ports)
			}
			seen[port] = true
			if !free(port) {
				t.Errorf("port %d is not free", port)
			}
		}
	}
}

// TestFailedStartLeavesNothing: the replica's program fails at once.
func TestFailedStartLeavesNothing(t *testing.T) {
	plan, err := Prepare(Options{Daemon: fakeDaemon(t), RandomPorts: true, Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Launch(t.Context(), plan)
	if err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("error %v", err)
	}
}
