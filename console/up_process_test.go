package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"synod/console/command"
	"synod/console/up"
	"synod/core/config"
)

func TestUpRunsABatchOnRealReplicas(t *testing.T) {
	t.Parallel()
	dir, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	batch := strings.Join([]string{
		"wait leader", "put color red @r1", "expect ok", "get color @all", "expect value red",
		"kill r2", "put color blue @r3 timeout=8s", "expect ok", "get color @r4", "expect value blue",
		"start r2", "wait alive=5 timeout=30s", "get color @r2", "expect value blue",
		"pause r5.learner for=5s", "resume r5.learner", "assert same color @all",
		"del color", "get color @random", "expect missing", "",
	}, "\n")
	got := synod(t, invocation{
		dir: dir, stdin: batch,
		args: []string{"up", "--random-ports", "--data", data, "--yes", "--confirm", "demo", "-f", "-", "--timeout", "10s"},
	})
	if got.code != 0 {
		t.Fatalf("exit code %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
	again := synod(t, invocation{
		dir: dir, stdin: "put more x\nget more\nexpect value x\n", args: []string{"up", "--random-ports", "--data", data},
	})
	if again.code != 0 {
		t.Errorf("the second start on the same data ended with %d:\n%s%s", again.code, again.stdout, again.stderr)
	}
}

// TestUpRunsTheShippedFileAsTheREADMESays: the file that comes with the sources, with the very flags of the README.
func TestUpRunsTheShippedFileAsTheREADMESays(t *testing.T) {
	t.Parallel()
	file, err := filepath.Abs("command/demo/main.synod")
	if err != nil {
		t.Fatal(err)
	}
	got := synod(t, invocation{dir: t.TempDir(), args: []string{"up", "--random-ports", "--yes", "-f", file}})
	if got.code != 0 {
		t.Fatalf("exit code %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
}

func TestDemoRunsAndCleansUp(t *testing.T) {
	t.Parallel()
	dir, temporary := t.TempDir(), t.TempDir()
	got := synod(t, invocation{
		dir: dir, env: []string{"TMPDIR=" + temporary},
		args: []string{"up", "--demo", "--random-ports", "--logs", "logs"},
	})
	if got.code != 0 {
		t.Fatalf("exit code %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
	for _, verb := range []string{"put", "get", "del"} {
		if count := len(regexp.MustCompile(`(?m)^ *\d+  `+verb+` `).FindAllString(got.stdout, -1)); count < 5 {
			t.Errorf("%d lines of %s, want 5 or more:\n%s", count, verb, got.stdout)
		}
	}
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, error %v", left, err)
	}
	for _, name := range []string{"r1.log", "client.log"} {
		if info, err := os.Stat(filepath.Join(dir, "logs", name)); err != nil || info.Size() == 0 {
			t.Errorf("log %s: %v", name, err)
		}
	}
}

// headless starts `synod up --headless` and waits until it serves.
func headless(t *testing.T, data string) *exec.Cmd {
	t.Helper()
	c := exec.Command(binary(t, "synod"), "up", "--headless", "--random-ports", "--data", data)
	c.Dir = t.TempDir()
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	var text strings.Builder
	chunk := make([]byte, 1024)
	for !strings.Contains(text.String(), "another terminal") {
		n, err := stderr.Read(chunk)
		text.Write(chunk[:n])
		if err != nil {
			t.Fatalf("synod up ended: %v\n%s", err, text.String())
		}
	}
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
	return c
}

// replicaPIDs finds the processes of the replicas whose state is in a folder.
func replicaPIDs(t *testing.T, data string) []int {
	t.Helper()
	var pids []int
	folders, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range folders {
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(text, []byte(data)) || !bytes.Contains(text, []byte("synodd")) {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(file, "/proc/%d/", &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestUpEndsItsReplicasHoweverItEnds(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("needs /proc to see processes")
	}
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			c := headless(t, data)
			if pids := replicaPIDs(t, data); len(pids) != 5 {
				t.Fatalf("%d replicas run: %v", len(pids), pids)
			}
			if err := c.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			err := c.Wait()
			if signal != syscall.SIGKILL && err != nil {
				t.Errorf("synod up --headless ended with %v", err)
			}
			end := time.Now().Add(patience)
			for len(replicaPIDs(t, data)) > 0 {
				if time.Now().After(end) {
					t.Fatalf("still there: %v", replicaPIDs(t, data))
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
}

func TestBusyPortsAreNamed(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dir := t.TempDir()
	text := up.LocalConfig()
	text = strings.Replace(text, "127.0.0.1:7103", listener.Addr().String(), 1)
	if err := os.WriteFile(filepath.Join(dir, configDefault), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := synod(t, invocation{dir: dir, args: []string{"up", "--demo"}, env: []string{"TMPDIR=" + t.TempDir()}})
	if got.code != command.ExitFailed || !strings.Contains(got.stderr, listener.Addr().String()+" of r3") {
		t.Errorf("exit code %d:\n%s", got.code, got.stderr)
	}
}

func TestBenchPrintsOneLineForPrograms(t *testing.T) {
	t.Parallel()
	got := synod(t, invocation{
		env:  []string{"TMPDIR=" + t.TempDir()},
		args: strings.Fields("bench --local --json --keys 200 --clients 8 --warmup 50ms --duration 300ms"),
	})
	var result struct {
		OpsS   float64 `json:"ops_s"`
		Errors int64   `json:"errors"`
	}
	err := json.Unmarshal([]byte(got.stdout), &result)
	if err != nil || got.code != 0 || result.OpsS == 0 || result.Errors != 0 {
		t.Errorf("exit code %d, error %v:\n%s%s", got.code, err, got.stdout, got.stderr)
	}
}

// TestEveryServerAloneServes: what was written through one server is read through each of the five, without a
// configuration.
func TestEveryServerAloneServes(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	c := headless(t, data)
	cluster, err := config.Load(filepath.Join(data, configDefault), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := func(replica config.Replica, args ...string) ending {
		host, port, err := net.SplitHostPort(replica.Client)
		if err != nil {
			t.Fatal(err)
		}
		return synod(t, invocation{args: append([]string{"--host", host, "--port", port, "--protocol", "tcp"}, args...)})
	}
	for _, writer := range cluster.Replicas {
		if got := at(writer, "put", "by", writer.ID); got.code != 0 {
			t.Fatalf("put through %s: exit code %d:\n%s", writer.ID, got.code, got.stderr)
		}
		for _, reader := range cluster.Replicas {
			if got := at(reader, "get", "by"); got.code != 0 || got.stdout != writer.ID+"\n" {
				t.Errorf("get through %s: %q, exit code %d:\n%s", reader.ID, got.stdout, got.code, got.stderr)
			}
		}
	}
	if got := at(cluster.Replicas[1], "--raw", "get", "by"); got.stdout != "r5" {
		t.Errorf("--raw printed %q", got.stdout)
	}
	if got := at(cluster.Replicas[1], "get", "none"); got.code != command.ExitFailed || got.stdout != "" {
		t.Errorf("a missing key gave %q, exit code %d", got.stdout, got.code)
	}
	if got := at(cluster.Replicas[1], "status"); got.code != 0 || !strings.Contains(got.stdout, "r2") {
		t.Errorf("status of r2 alone: exit code %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}
