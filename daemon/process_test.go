package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"synod/core/config"
	"synod/protocol/client"
)

// asProgram makes the test binary run as synodd.
const asProgram = "SYNODD_TEST_RUN"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		if err := os.Unsetenv(asProgram); err != nil {
			panic(err)
		}
		main()
		return
	}
	os.Exit(m.Run())
}

// program is one run of synodd as a process of its own.
type program struct {
	t       *testing.T
	command *exec.Cmd
	output  *bufio.Reader
}

func synodd(t *testing.T, folder string, arguments ...string) *program {
	t.Helper()
	p := &program{t: t, command: exec.Command(os.Args[0], arguments...)}
	p.command.Dir = folder
	p.command.Env = append(os.Environ(), asProgram+"=1")
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.command.Stdout, p.command.Stderr = in, in
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	p.output = bufio.NewReader(out)
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		_ = p.command.Wait()
		_ = out.Close()
	})
	return p
}

// waitFor reads lines until one contains the words, and gives all it read.
func (p *program) waitFor(words string) string {
	p.t.Helper()
	var all strings.Builder
	for {
		line, err := p.output.ReadString('\n')
		all.WriteString(line)
		if strings.Contains(line, words) {
			return all.String()
		}
		if err != nil {
			p.t.Fatalf("%q never came:\n%s", words, all.String())
		}
	}
}

// end waits for the end of the process and gives its exit code and output.
func (p *program) end() (int, string) {
	p.t.Helper()
	rest, err := io.ReadAll(p.output)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = p.command.Wait()
	return p.command.ProcessState.ExitCode(), string(rest)
}

// wantEnd runs synodd to its end.
func wantEnd(t *testing.T, code int, words string, p *program) string {
	t.Helper()
	got, output := p.end()
	if got != code || !strings.Contains(output, words) {
		t.Errorf("%v: exit code %d, want %d with %q; output:\n%s", p.command.Args[1:], got, code, words, output)
	}
	return output
}

// singleCluster writes a configuration of one replica and gives its folder.
func singleCluster(t *testing.T) (folder string, parsed *config.Config) {
	t.Helper()
	folder = t.TempDir()
	var free [2]net.Listener
	for i := range free {
		free[i] = open(t, "127.0.0.1:0")
	}
	text := fmt.Sprintf("[replicas.r1]\nclient = %q\npeer = %q\n"+
		"[storage]\nsegment = \"2MiB\"\n[log]\nrequests = \"all\"\n",
		free[0].Addr(), free[1].Addr())
	for _, l := range free {
		_ = l.Close()
	}
	if err := os.WriteFile(filepath.Join(folder, "config.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	parsed, err := config.Parse(config.Source{Name: "config.toml", Text: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return folder, parsed
}

func TestTheLifeOfAProcess(t *testing.T) {
	folder, parsed := singleCluster(t)
	replica := []string{"--config", "config.toml", "--replica", "r1"}
	wantEnd(t, exitUsage, "run `synodd init`", synodd(t, folder, replica...))
	wantEnd(t, 0, "cluster id ", synodd(t, folder, "init"))
	wantEnd(t, exitUsage, "data/r1", synodd(t, folder, "init"))

	first := synodd(t, folder, replica...)
	first.waitFor("msg=ready")
	wantEnd(t, exitInUse, fmt.Sprintf("in use by pid %d", first.command.Process.Pid), synodd(t, folder, replica...))
	c, err := client.Open(context.Background(), client.Endpoints(parsed), client.WithTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	must[client.Info](t)(c.Put(ctx, []byte("color"), []byte("green")))
	// kill -9 loses nothing acknowledged.
	if err := first.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, output := first.end()
	for _, words := range []string{`msg=put`, "key=color", "value_bytes=5", "msg=answer"} {
		if !strings.Contains(output, words) {
			t.Errorf("no readable line with %s:\n%s", words, output)
		}
	}
	second := synodd(t, folder, replica...)
	second.waitFor("msg=ready")
	if got := must[client.Value](t)(c.Get(ctx, []byte("color"))); string(got.Value) != "green" {
		t.Errorf("after a kill: %+v", got)
	}
	for _, number := range []os.Signal{syscall.SIGUSR1, syscall.SIGHUP, syscall.SIGTERM} {
		if err := second.command.Process.Signal(number); err != nil {
			t.Fatal(err)
		}
		if number == syscall.SIGUSR1 {
			second.waitFor("msg=dump")
		}
		if number == syscall.SIGHUP {
			waitForFiles(t, filepath.Join(folder, "logs", "r1*.log"), 2)
		}
	}
	wantEnd(t, 0, "everything is on disk", second)
	file, err := os.ReadFile(filepath.Join(folder, "logs", "r1.log"))
	if err != nil || !bytes.Contains(file, []byte("everything is on disk")) {
		t.Errorf("the log file: %v", err)
	}
}

// waitForFiles waits until so many files match.
func waitForFiles(t *testing.T, pattern string, count int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if found, err := filepath.Glob(pattern); err != nil || len(found) >= count {
			return
		}
	}
	t.Fatalf("fewer than %d files match %s", count, pattern)
}

func TestAStandardErrorThatNobodyReadsStopsNothing(t *testing.T) {
	folder, parsed := singleCluster(t)
	wantEnd(t, 0, "", synodd(t, folder, "init"))
	p := synodd(t, folder, "--replica", "r1")
	p.waitFor("msg=ready")
	ctx := context.Background()
	c, err := client.Open(ctx, client.Endpoints(parsed), client.WithTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const puts = 400 // their lines are more than a pipe holds
	for range puts {
		must[client.Info](t)(c.Put(ctx, bytes.Repeat([]byte("k"), 200), []byte("v")))
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.command.Wait(); err != nil {
		t.Errorf("the end of a process whose lines nobody reads: %v", err)
	}
	const last = "everything is on disk"
	if rest, err := io.ReadAll(p.output); err != nil || bytes.Contains(rest, []byte(last)) {
		t.Errorf("the pipe took everything (%d bytes), so this test shows nothing: %v", len(rest), err)
	}
	file, err := os.ReadFile(filepath.Join(folder, "logs", "r1.log"))
	if err != nil || bytes.Count(file, []byte("msg=put")) != puts || !bytes.Contains(file, []byte(last)) {
		t.Errorf("the log file is not whole: %d bytes, %v", len(file), err)
	}
}

func TestReadableRefusalsAtStart(t *testing.T) {
	folder, parsed := singleCluster(t)
	wantEnd(t, exitUsage, "not in the configuration", synodd(t, folder, "--replica", "r2"))
	wantEnd(t, exitUsage, "which replica?", synodd(t, folder))
	wantEnd(t, exitUsage, "needs the id of its cluster", synodd(t, folder, "init", "--replica", "r1"))
	wantEnd(t, 0, "", synodd(t, folder, "--check-config"))
	wantEnd(t, 0, "storage.segment", synodd(t, folder, "config"))
	wantEnd(t, 0, "synodd", synodd(t, folder, "--version"))
	wantEnd(t, exitUsage, "no such file", synodd(t, folder, "--config", "other.toml", "--check-config"))
	id := "000102030405060708090a0b0c0d0e0f"
	wantEnd(t, 0, id, synodd(t, folder, "init", "--replica", "r1", "--cluster-id", id))
	taken := open(t, parsed.Replicas[0].Client)
	wantEnd(t, exitInUse, parsed.Replicas[0].Client, synodd(t, folder, "--replica", "r1"))
	_ = taken.Close()
	path := filepath.Join(folder, "data", "r1", "identity.toml")
	if err := os.WriteFile(path, []byte("cluster = \"?\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, exitDamaged, "identity.toml", synodd(t, folder, "--replica", "r1"))
}

func TestStrangersCannotHurt(t *testing.T) {
	folder, parsed := singleCluster(t)
	wantEnd(t, 0, "", synodd(t, folder, "init"))
	p := synodd(t, folder, "--replica", "r1")
	p.waitFor("msg=ready")
	address := parsed.Replicas[0].Client
	c, err := client.Open(context.Background(), client.Endpoints(parsed), client.WithTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	must[client.Info](t)(c.Put(context.Background(), []byte("k"), []byte("v")))
	for _, nonsense := range []string{
		"GET / HTTP/1.1\r\n\r\n", "SYND\xff\xff", "SYND\x00\x01x", strings.Repeat("\x00", 100), "S",
	} {
		conn, err := net.DialTimeout("tcp", address, patience)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, nonsense)
		_ = conn.(*net.TCPConn).CloseWrite()
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Errorf("%q was answered", nonsense)
		}
		line := p.waitFor("malformed input, connection closed")
		if !strings.Contains(line, conn.LocalAddr().String()) {
			t.Errorf("no address in %q", line)
		}
		_ = conn.Close()
	}
	if got := must[client.Value](t)(c.Get(context.Background(), []byte("k"))); !got.Found {
		t.Error("the living client lost its value")
	}
}
