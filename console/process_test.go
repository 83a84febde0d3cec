package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"synod/console/app"
	"synod/console/command"
	"synod/console/earlyterm"
)

// built is the folder of the programs that tests have built, removed at the end; empty if none needed them.
var built string

// programs builds the two programs once for all tests of processes, and gives their folder.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "synod-test-")
	if err != nil {
		return "", err
	}
	built = dir
	for name, source := range map[string]string{"synod": ".", "synodd": "../daemon"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, name), source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := build.CombinedOutput(); err != nil {
			return dir, fmt.Errorf("build %s: %w\n%s", name, err, output)
		}
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	if os.Getenv(panicVariable) != "" {
		earlyterm.Restore()
		os.Exit(run(context.Background(), os.Args[1:], world{
			stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(),
			screenUp: func(guard *app.Guard) { guard.Go(func() { panic("planted") }) },
		}))
	}
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// panicVariable makes this test the program itself, with a panic in a goroutine of its screen.
const panicVariable = "SYNOD_TEST_PANIC"

// patience is the limit of everything that must end by itself.
const patience = 60 * time.Second

// ending is how a process ended.
type ending struct {
	code           int
	stdout, stderr string
}

type invocation struct {
	dir     string // working folder; "" for a new one
	stdin   string
	env     []string
	args    []string
	program string         // "" for synod
	signal  syscall.Signal // sent to a program on a terminal after the talk; 0 for none
}

func binary(t *testing.T, name string) string {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// synod runs the program without a terminal.
func synod(t *testing.T, x invocation) ending {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, binary(t, "synod"), x.args...)
	if c.Dir = x.dir; c.Dir == "" {
		c.Dir = t.TempDir()
	}
	c.Env = append(os.Environ(), x.env...)
	c.Stdin = strings.NewReader(x.stdin)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ending{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// deadPort is a port on which nobody listens.
func deadPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// deadCluster writes the configuration of three replicas of which none runs, and gives its folder.
func deadCluster(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	text := "[cluster]\nname = \"quiet\"\n"
	for n := 1; n <= 3; n++ {
		text += fmt.Sprintf("[replicas.r%d]\nclient = \"127.0.0.1:%s\"\npeer = \"127.0.0.1:%d\"\n", n, deadPort(t), 7200+n)
	}
	if err := os.WriteFile(filepath.Join(dir, configDefault), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestExitCodesWithoutACluster(t *testing.T) {
	t.Parallel()
	dead := deadCluster(t)
	if err := os.WriteFile(filepath.Join(dead, "bad.synod"), []byte("put a 1\ngte a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		x    invocation
		code int
		says string
	}{
		{"unknown command", invocation{args: []string{"gte", "k"}}, 2, `did you mean "get"`},
		{"no configuration", invocation{args: []string{"get", "k"}}, 2, "give --config FILE"},
		{"udp", invocation{args: []string{"--port", "7101", "--protocol", "udp", "get", "k"}}, 2, "not available"},
		{"port", invocation{args: []string{"--host", "127.0.0.1", "get", "k"}}, 2, "--port must be"},
		{"nothing to do", invocation{dir: dead}, 2, "no command"},
		{"words missing", invocation{dir: dead, args: []string{"put", "k"}}, 2, "needs a value"},
		{
			"batch with a fault",
			invocation{dir: dead, args: []string{"-f", "bad.synod"}},
			2,
			`bad.synod:2:1: unknown verb "gte", did you mean "get"?`,
		},
		{"batch that is not there", invocation{dir: dead, args: []string{"-f", "none"}}, 2, "none"},
		{"check", invocation{dir: dead, args: []string{"--check"}, stdin: "put a 1\nget a\n"}, 0, ""},
		{"check with a fault", invocation{dir: dead, args: []string{"--check"}, stdin: "put a 1\nget\n"}, 2, "-:2:"},
		{"nobody there", invocation{dir: dead, args: []string{"--timeout", "200ms", "get", "k"}}, 4, "connection refused"},
		{
			"batch, nobody there",
			invocation{dir: dead, args: []string{"--timeout", "200ms"}, stdin: "put a 1\nget a\n"},
			4,
			"2 requests",
		},
		{
			"one server, nobody there",
			invocation{args: []string{"--port", deadPort(t), "--timeout", "200ms", "get", "k"}},
			4,
			"connection refused",
		},
		{"fault without yes", invocation{dir: dead, args: []string{"chaos", "on"}}, 1, "--yes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got := synod(t, row.x)
			if got.code != row.code || !strings.Contains(got.stderr, row.says) {
				t.Errorf("exit code %d, want %d; stderr must hold %q:\n%s", got.code, row.code, row.says, got.stderr)
			}
		})
	}
}

func TestUnansweredRequestsAreInTheClientLog(t *testing.T) {
	t.Parallel()
	dir := deadCluster(t)
	synod(t, invocation{dir: dir, args: []string{"--timeout", "200ms"}, stdin: "put a 1 @r2\nget a @r3\n"})
	text, err := os.ReadFile(filepath.Join(dir, "logs", "client.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"to=r2", "to=r3", `msg="request not sent"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in the log:\n%s", want, text)
		}
	}
	if stamp := regexp.MustCompile(`(?m)^time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z `); !stamp.Match(text) {
		t.Errorf("no time with milliseconds in the log:\n%s", text)
	}
}

func TestUnwritableLogIsNotedOnceAndNothingMore(t *testing.T) {
	t.Parallel()
	dir := deadCluster(t)
	if err := os.WriteFile(filepath.Join(dir, "logs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := synod(t, invocation{dir: dir, args: []string{"--timeout", "200ms"}, stdin: "get a\nget b\n"})
	if got.code != command.ExitUnreachable || strings.Count(got.stderr, "going on without a log") != 1 {
		t.Errorf("exit code %d:\n%s", got.code, got.stderr)
	}
}

// silentTerminal runs the program on a terminal that never answers any question, and gives all that it wrote. The
// function talk may type.
func silentTerminal(t *testing.T, x invocation, talk func(tty *os.File, seen func() string)) (output string, code int) {
	t.Helper()
	if x.program == "" {
		x.program = binary(t, "synod") // is built before the clock runs
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, x.program, x.args...)
	c.Dir = x.dir
	for _, entry := range os.Environ() { // CI=1 would keep the library from asking, and prove nothing
		if name, _, _ := strings.Cut(entry, "="); !slices.Contains([]string{"CI", "TERM", "NO_COLOR", "COLORTERM"}, name) {
			c.Env = append(c.Env, entry)
		}
	}
	own := t.TempDir() // settings and history of whoever runs the tests are left alone
	c.Env = append(append(c.Env, "TERM=xterm-256color", "XDG_CONFIG_HOME="+own, "XDG_STATE_HOME="+own), x.env...)
	tty, err := pty.StartWithSize(c, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	var mutex sync.Mutex
	var all bytes.Buffer
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		chunk := make([]byte, 4096)
		for {
			n, err := tty.Read(chunk)
			mutex.Lock()
			all.Write(chunk[:n])
			mutex.Unlock()
			if err != nil {
				return // the end of the last process on the terminal is an error on Linux
			}
		}
	}()
	seen := func() string {
		mutex.Lock()
		defer mutex.Unlock()
		return all.String()
	}
	if talk != nil {
		talk(tty, seen)
	}
	if x.signal != 0 {
		if err := c.Process.Signal(x.signal); err != nil {
			t.Error(err)
		}
	}
	_ = c.Wait() // the code tells
	<-drained
	return seen(), c.ProcessState.ExitCode()
}

// await waits until the terminal has shown a text.
func await(t *testing.T, seen func() string, text string) {
	t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(seen(), text); {
		if time.Now().After(end) {
			all := seen()
			t.Fatalf("no %q on the terminal; the end of what it shows:\n%q", text, all[max(0, len(all)-2000):])
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestCommandOnASilentTerminal is the judge of package earlyterm: without it every command stalls for five seconds on
// this terminal. The same command on a dumb terminal, which nobody asks anything, tells how long it takes here today.
func TestCommandOnASilentTerminal(t *testing.T) {
	t.Parallel()
	x := invocation{dir: deadCluster(t), args: []string{"--timeout", "200ms", "get", "k"}}
	binary(t, "synod") // is built before the clock runs
	begun := time.Now()
	output, code := silentTerminal(t, x, nil)
	took := time.Since(begun)
	begun = time.Now()
	synod(t, x)
	usual := time.Since(begun)
	if code != command.ExitUnreachable {
		t.Errorf("exit code %d", code)
	}
	if strings.Contains(output, "\x1b") {
		t.Errorf("a plain command wrote escape bytes: %q", output)
	}
	const stall = 5 * time.Second
	if took > usual+stall*4/5 {
		t.Errorf("%v on a terminal that does not answer, %v without one", took, usual)
	}
}

func TestScreenOnASilentTerminal(t *testing.T) {
	t.Parallel()
	output, code := silentTerminal(t, invocation{dir: deadCluster(t)}, func(tty *os.File, seen func() string) {
		await(t, seen, "0/3 up")
		await(t, seen, "connection refused")
		if err := pty.Setsize(tty, &pty.Winsize{Rows: 36, Cols: 120}); err != nil {
			t.Error(err)
		}
		await(t, seen, "ACCEPTED") // a column that only a wide screen has
		keys(t, tty, ":get k timeout=200ms\r")
		await(t, seen, "unreachable")
		keys(t, tty, "\x03")
		await(t, seen, "once more quits")
		keys(t, tty, "\x03")
	})
	if code != 0 {
		t.Errorf("exit code %d:\n%q", code, output[max(0, len(output)-2000):])
	}
	for what, query := range map[string]string{"background colour": "\x1b]11;?", "place of the cursor": "\x1b[6n"} {
		if strings.Contains(output, query) {
			t.Errorf("the terminal was asked for the %s", what)
		}
	}
	if !strings.Contains(output, "\x1b[?1049l") {
		t.Error("the terminal was not given back")
	}
}

// TestTheTerminalIsGivenBackHoweverTheScreenEnds: by a signal, by a panic of a goroutine.
func TestTheTerminalIsGivenBackHoweverTheScreenEnds(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		x    invocation
		code int
		last string // behind the screen
	}{
		"SIGTERM": {invocation{signal: syscall.SIGTERM}, 143, ""},
		"SIGHUP":  {invocation{signal: syscall.SIGHUP}, 129, ""},
		"panic":   {invocation{program: self, env: []string{panicVariable + "=1"}}, exitInternal, "internal fault: planted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row.x.dir = deadCluster(t)
			output, code := silentTerminal(t, row.x, func(_ *os.File, seen func() string) {
				if row.x.signal != 0 {
					await(t, seen, "0/3 up")
				}
			})
			screen, after, given := strings.Cut(output, "\x1b[?1049l")
			if !given || !strings.Contains(after, row.last) || row.last != "" && strings.Contains(screen, row.last) {
				t.Errorf("what it says must be on the terminal that was there before: %q", output[max(0, len(output)-2000):])
			}
			for what, sequence := range map[string]string{"cursor": "\x1b[?25h", "mouse": "\x1b[?1002l", "paste": "\x1b[?2004l"} {
				if strings.Contains(output, strings.NewReplacer("25h", "25l", "l", "h").Replace(sequence)) && !strings.Contains(output, sequence) {
					t.Errorf("the %s was not given back", what)
				}
			}
			if code != row.code {
				t.Errorf("exit code %d, want %d", code, row.code)
			}
		})
	}
}

func TestUpOpensTheScreenOnLiveReplicas(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	x := invocation{dir: t.TempDir(), args: []string{"up", "--random-ports", "--data", data}}
	output, code := silentTerminal(t, x, func(tty *os.File, seen func() string) {
		await(t, seen, "5/5 up")
		keys(t, tty, ":put color red\r")
		await(t, seen, "rev 1")
		keys(t, tty, ":get color @all\r")
		await(t, seen, `"red"  r5`)
		keys(t, tty, ":kill r2\r")
		await(t, seen, "Are you sure?")
		for end := time.Now().Add(patience); !strings.Contains(seen(), "✕ killed") && time.Now().Before(end); {
			keys(t, tty, "y") // a question takes no key until it has been seen for a moment
			time.Sleep(100 * time.Millisecond)
		}
		await(t, seen, "killed")
		keys(t, tty, ":quit\r")
	})
	if code != 0 {
		t.Errorf("exit code %d:\n%q", code, output[max(0, len(output)-2000):])
	}
	if pids := replicaPIDs(t, data); len(pids) > 0 {
		t.Errorf("replicas left behind: %v", pids)
	}
}

func keys(t *testing.T, tty *os.File, text string) {
	t.Helper()
	if _, err := io.WriteString(tty, text); err != nil {
		t.Fatal(err)
	}
}
