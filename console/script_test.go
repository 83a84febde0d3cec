package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"synod/console/command"
	"synod/protocol"
	"synod/protocol/client/clienttest"
)

// clusterOf writes a configuration of replicas at these addresses, in a folder of its own.
func clusterOf(t *testing.T, name string, addresses []string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	text := fmt.Sprintf("[cluster]\nname = %q\n", name)
	for i, address := range addresses {
		text += fmt.Sprintf("[replicas.r%d]\nclient = %q\npeer = \"127.0.0.1:%d\"\n", i+1, address, 7300+i)
	}
	if err := os.WriteFile(filepath.Join(dir, configDefault), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// storeCluster has three replicas in memory that agree; r3 is down if so asked.
func storeCluster(t *testing.T, down bool) string {
	t.Helper()
	store := clienttest.New(3)
	t.Cleanup(store.Close)
	endpoints, err := store.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var addresses []string
	for _, endpoint := range endpoints {
		addresses = append(addresses, endpoint.Address)
	}
	if down {
		addresses[2] = net.JoinHostPort("127.0.0.1", deadPort(t))
	}
	return clusterOf(t, "store", addresses)
}

// splitCluster has three replicas that know nothing of each other: whoever writes at one reads at the next one what was
// before. r2 swallows every update.
func splitCluster(t *testing.T) string {
	t.Helper()
	var addresses []string
	for n := range 3 {
		store := clienttest.New(3)
		t.Cleanup(store.Close)
		endpoints, err := store.Listen(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, endpoints[n].Address)
		store.Replica(fmt.Sprintf("r%d", n+1)).Treat(func(f protocol.Frame) (clienttest.Treatment, *protocol.Error) {
			switch {
			case f.Kind == protocol.KindOpenSession && n > 0: // sessions are those of r1
				return clienttest.Answer, protocol.Refuse(protocol.CodeUnavailable, 0, "not here")
			case f.Kind == protocol.KindUpdate && n == 1:
				return clienttest.Swallow, nil
			}
			return clienttest.Answer, nil
		})
	}
	return clusterOf(t, "split", addresses)
}

// blots are what differs from run to run.
var blots = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\d\d:\d\d:\d\d\.\d{3}`), "TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dTTIMEZ`), "DATE"},
	{regexp.MustCompile(` +\d+\.\d ms`), " MS"},
	{regexp.MustCompile(`\d+\.\d\d s\b`), "S"},
	{regexp.MustCompile(`(latency_ms|elapsed_ms)":\d+\.\d+`), `$1":0`},
	{regexp.MustCompile(`,\d+\.\d{3},c[0-9a-f]{4}\.\d+,`), ",MS,REQ,"},
	{regexp.MustCompile(`c[0-9a-f]{4}\.\d+`), "REQ"},
	{regexp.MustCompile(`seed"?:? ?\d+`), "seed N"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`((slot|index) |"(slot|applied)":)\d+`), "${1}N"},
}

func blotted(text string) string {
	for _, blot := range blots {
		text = blot.pattern.ReplaceAllString(text, blot.with)
	}
	return text
}

// TestScripts runs the shell lines of testdata/script with the real binary, as a person would type them, in the folder
// of a configuration, and compares what they print and their exit code:
//
//	sh [cluster=store|down|split|dead]
func TestScripts(t *testing.T) {
	t.Parallel()
	programs := filepath.Dir(binary(t, "synod"))
	folders := map[string]string{
		"store": storeCluster(t, false), "down": storeCluster(t, true), "split": splitCluster(t), "dead": deadCluster(t),
	}
	datadriven.Walk(t, "testdata/script", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			cluster := "dead"
			if argument, ok := d.Arg("cluster"); ok {
				cluster = argument.Vals[0]
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			c := exec.CommandContext(ctx, "sh", "-c", d.Input)
			c.Dir = folders[cluster]
			c.Env = append(os.Environ(), "PATH="+programs+string(os.PathListSeparator)+os.Getenv("PATH"), "TZ=UTC")
			var stdout, stderr bytes.Buffer
			c.Stdout, c.Stderr = &stdout, &stderr
			_ = c.Run() // the code tells
			text := stdout.String()
			if stderr.Len() > 0 {
				text += "-- stderr\n" + stderr.String()
			}
			if text != "" && !strings.HasSuffix(text, "\n") {
				text += "(no line end)\n"
			}
			return blotted(text) + fmt.Sprintf("exit %d\n", c.ProcessState.ExitCode())
		})
	})
}

// TestRequestsToADeadReplicaAreNotedAndTheRestIsSent: in every way of giving commands and in every form of output.
func TestRequestsToADeadReplicaAreNotedAndTheRestIsSent(t *testing.T) {
	t.Parallel()
	const batch = "put color red @r1\nget color @r3\nget color @r2\ndel color @r3\ndel color @r1\n"
	ways := map[string]func(t *testing.T, dir string, args ...string) string{
		"piped": func(t *testing.T, dir string, args ...string) string {
			return synod(t, invocation{dir: dir, stdin: batch, args: args}).stdout
		},
		"file": func(t *testing.T, dir string, args ...string) string {
			if err := os.WriteFile(filepath.Join(dir, "batch.synod"), []byte(batch), 0o600); err != nil {
				t.Fatal(err)
			}
			got := synod(t, invocation{dir: dir, args: append(args, "-f", "batch.synod")})
			if got.code != command.ExitFailed {
				t.Errorf("exit code %d", got.code)
			}
			return got.stdout
		},
		"typed": func(t *testing.T, dir string, args ...string) string {
			x := invocation{dir: dir, args: append(args, "--plain")}
			output, _ := silentTerminal(t, x, func(tty *os.File, seen func() string) {
				for n, line := range strings.SplitAfter(batch, "\n") {
					if line != "" {
						keys(t, tty, strings.TrimSuffix(line, "\n")+"\r")
						for strings.Count(seen(), "synod> ") < n+2 && t.Context().Err() == nil {
							time.Sleep(time.Millisecond)
						}
					}
				}
				keys(t, tty, "quit\r")
			})
			return output
		},
	}
	for way, run := range ways {
		for form, want := range map[string]string{
			"text": `get color +r2 +"red"`, "json": `"op":"get","key":"color","replica":"r2","status":"ok"`,
			"csv": `get,color,r2,ok,done,red`,
		} {
			t.Run(way+"/"+form, func(t *testing.T) {
				t.Parallel()
				dir := storeCluster(t, true)
				output := run(t, dir, "--timeout", "2s", "--output", form)
				if !regexp.MustCompile(want).MatchString(output) || strings.Count(output, "unreachable") < 2 {
					t.Errorf("no match for %s:\n%s", want, output)
				}
				log, err := os.ReadFile(filepath.Join(dir, "logs", "client.log"))
				if err != nil {
					t.Fatal(err)
				}
				unsent := regexp.MustCompile(`(?m)^time=\S+Z level=WARN msg="request not sent" op=(get|del) .*to=r3 .*connection refused`)
				if found := len(unsent.FindAll(log, -1)); found != 2 {
					t.Errorf("%d requests noted as not sent, want 2:\n%s", found, log)
				}
				if replies := strings.Count(string(log), "msg=reply"); replies != 3 {
					t.Errorf("%d replies in the log, want 3:\n%s", replies, log)
				}
			})
		}
	}
}

// TestAnInternalFaultIsSaidAndHasItsCode: in a build that can be made to panic.
func TestAnInternalFaultIsSaidAndHasItsCode(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "synod")
	build := exec.Command("go", "build", "-tags", "provoked", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	c := exec.Command(program, "get", "k")
	c.Dir = deadCluster(t)
	c.Env = append(os.Environ(), "SYNOD_PROVOKE=panic")
	output, _ := c.CombinedOutput() // the code tells
	if code := c.ProcessState.ExitCode(); code != exitInternal || !strings.Contains(string(output), "internal fault: provoked") ||
		!strings.Contains(string(output), "main.run") {
		t.Errorf("exit code %d:\n%s", code, output)
	}
}

// TestSignalsEndARunWithTheirCode: SIGINT after the command at hand, SIGTERM at once; both print the summary.
func TestSignalsEndARunWithTheirCode(t *testing.T) {
	t.Parallel()
	for _, sent := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sent.String(), func(t *testing.T) {
			t.Parallel()
			dir := storeCluster(t, false)
			batch := filepath.Join(dir, "slow.synod")
			if err := os.WriteFile(batch, []byte("echo begun\nsleep 1m\nget color\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			c := exec.CommandContext(ctx, binary(t, "synod"), "-f", batch)
			c.Dir = dir
			var stderr bytes.Buffer
			c.Stderr = &stderr
			stdout, err := c.StdoutPipe()
			if err == nil {
				err = c.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			first := make([]byte, len("begun"))
			if _, err := stdout.Read(first); err != nil || string(first) != "begun" {
				t.Fatalf("%q, %v", first, err)
			}
			if err := c.Process.Signal(sent); err != nil {
				t.Fatal(err)
			}
			_ = c.Wait() // the code tells
			if code := c.ProcessState.ExitCode(); code != 128+int(sent) || !strings.Contains(stderr.String(), "interrupted") {
				t.Errorf("exit code %d, want %s\n%s", code, strconv.Itoa(128+int(sent)), stderr.String())
			}
		})
	}
}
