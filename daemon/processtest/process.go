package processtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one run of a daemon.
type process struct {
	command *exec.Cmd
	done    chan struct{} // closed when it has ended
}

// pollPause between two looks at something that has no way to call us.
const pollPause = 5 * time.Millisecond

// poll looks until there is what is awaited, and reports whether it came in time.
func poll(limit time.Duration, there func() bool) bool {
	for end := time.Now().Add(limit); ; time.Sleep(pollPause) {
		if there() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// Start starts the daemons of these replicas, without waiting for anything.
func (c *Cluster) Start(ids ...string) {
	c.t.Helper()
	for _, id := range ids {
		c.start(id, "--config", c.ConfigFile, "--replica", id)
	}
}

// start starts a daemon of a replica with any arguments.
func (c *Cluster) start(id string, arguments ...string) {
	c.t.Helper()
	if c.alive(id) {
		c.t.Fatalf("%s runs already", id)
	}
	output, err := os.OpenFile(c.outputFile(id), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	p := &process{command: exec.Command(c.daemon, arguments...), done: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = output, output
	err = c.launchIn(p.command, c.Folder, c.more...)
	_ = output.Close() // the child has its own
	if err != nil {
		c.t.Fatalf("start %s: %v", id, err)
	}
	c.running[id] = p
	go func() { // ends with the process, which end kills
		_ = p.command.Wait() // ProcessState says it
		close(p.done)
	}()
}

// alive reports whether the replica's process has not ended.
func (c *Cluster) alive(id string) bool {
	p := c.running[id]
	if p == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill ends replicas at once with SIGKILL and waits until they are gone.
func (c *Cluster) Kill(ids ...string) {
	c.t.Helper()
	for _, id := range ids {
		c.Signal(id, syscall.SIGKILL)
	}
	for _, id := range ids {
		c.Await(id)
	}
}

// Halt stops a process with SIGSTOP, and returns when it stands still.
func (c *Cluster) Halt(id string) {
	c.t.Helper()
	c.Signal(id, syscall.SIGSTOP)
	if !poll(Patience, func() bool { return c.stat(id) == "T" }) {
		c.t.Fatalf("%s does not halt", id)
	}
}

// Continue lets a halted process go on.
func (c *Cluster) Continue(id string) {
	c.t.Helper()
	c.Signal(id, syscall.SIGCONT)
}

// Terminate asks a daemon with SIGTERM to stop, waits, and gives its exit code.
func (c *Cluster) Terminate(id string) int {
	c.t.Helper()
	c.Signal(id, syscall.SIGTERM)
	return c.Await(id)
}

// Signal sends a signal to the process of a replica, which must run.
func (c *Cluster) Signal(id string, signal syscall.Signal) {
	c.t.Helper()
	if !c.alive(id) {
		c.t.Fatalf("%s does not run:\n%s", id, tail(c.Output(id)))
	}
	if err := c.running[id].command.Process.Signal(signal); err != nil {
		c.t.Fatalf("signal %v to %s: %v", signal, id, err)
	}
}

// Await waits for the end of a process and gives its exit code, -1 for the end by a signal.
func (c *Cluster) Await(id string) int {
	c.t.Helper()
	p := c.running[id]
	select {
	case <-p.done:
		return p.command.ProcessState.ExitCode()
	case <-time.After(Patience):
		c.t.Fatalf("%s does not end:\n%s", id, tail(c.Output(id)))
		return 0
	}
}

// PID is that of the last process of a replica.
func (c *Cluster) PID(id string) int { return c.running[id].command.Process.Pid }

// stat is the state of a process as the kernel names it: R, S, T, Z and others.
func (c *Cluster) stat(id string) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.PID(id)))
	if err != nil {
		return ""
	}
	_, rest, _ := bytes.Cut(text, []byte(") "))
	state, _, _ := bytes.Cut(rest, []byte(" "))
	return string(state)
}

// Resident is the memory of a replica's process in bytes.
func (c *Cluster) Resident(id string) int64 {
	c.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.PID(id)))
	if err != nil {
		c.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "VmRSS:"); found {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				c.t.Fatal(err)
			}
			return kib << 10
		}
	}
	c.t.Fatalf("no VmRSS of %s", id)
	return 0
}

func (c *Cluster) outputFile(id string) string { return filepath.Join(c.Folder, id+".output") }

// Output is all that the daemons of a replica have written to standard output and error, over all their starts.
func (c *Cluster) Output(id string) string {
	text, err := os.ReadFile(c.outputFile(id))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// WaitOutput waits until a replica's output behind the given length holds all the words on one line, and gives the
// line.
func (c *Cluster) WaitOutput(id string, behind int, words ...string) string {
	c.t.Helper()
	line, found := c.findOutput(id, behind, words)
	if !found {
		c.t.Fatalf("%s never wrote a line with %q:\n%s", id, words, tail(c.Output(id)[behind:]))
	}
	return line
}

// outputLimit is how long a line may take to appear; the longest handshake is a part of it.
const outputLimit = 10 * time.Second

func (c *Cluster) findOutput(id string, behind int, words []string) (found string, ok bool) {
	ok = poll(outputLimit, func() bool {
		for line := range strings.Lines(c.Output(id)[behind:]) {
			if hasAll(line, words) {
				found = line
				return true
			}
		}
		return false
	})
	return found, ok
}

func hasAll(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}
