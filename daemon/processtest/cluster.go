package processtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"synod/core/config"
	"synod/protocol/client"
)

// Patience bounds everything that a test waits for without measuring it.
const Patience = 30 * time.Second

// Options say how a cluster differs from the usual one: five replicas, short log segments, no lines for requests.
type Options struct {
	// Faults is the rest of the [faults] table and whatever follows it.
	Faults string
	// Requests is the setting log.requests; "" is "off".
	Requests string
	// Keep is the setting storage.keep; "" is the product's.
	Keep string
	// Unstarted leaves out the start of the daemons and the wait for a leader.
	Unstarted bool
	// Mutant is a bug to plant in all daemons, such as "M27b"; they are built for it.
	Mutant string
}

// Cluster is five daemons on this machine. Its methods are for the goroutine of the test; they end the test if the
// machine does not do what was asked, and return what the daemons did.
type Cluster struct {
	t          testing.TB
	Folder     string // everything lies here
	ConfigFile string
	Config     *config.Config
	ClusterID  string // as `synodd init` printed it

	daemon string   // path of the program of replicas
	more   []string // in their environment

	guard    net.Listener
	launches chan func()
	running  map[string]*process // also those that have ended
	unknown  int                 // updates of earlier loads that may have been executed
}

// NewCluster writes a configuration with free ports, runs `synodd init`, starts the daemons, and waits for a leader.
// At the end of the test every process is killed; the folder is removed if the test passed.
func NewCluster(t testing.TB, o Options) *Cluster {
	t.Helper()
	if err := lookAtSources(); err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "synod-ordeal-")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{
		t: t, Folder: folder, ConfigFile: filepath.Join(folder, "config.toml"),
		launches: make(chan func()), running: map[string]*process{}, daemon: Program("synodd"),
	}
	if o.Mutant != "" {
		c.daemon, c.more = buildPlanted(t), []string{"SYNOD_MUTANT=" + o.Mutant}
	}
	go c.launcher()
	t.Cleanup(c.end)
	ports, guard, err := reservePorts(2 * replicas)
	if err != nil {
		t.Fatal(err)
	}
	c.guard = guard
	c.writeConfig(o, ports)
	c.initialise()
	if !o.Unstarted {
		c.Start(c.Config.ReplicaIDs()...)
		c.WaitLeader(Patience)
	}
	return c
}

const replicas = 5

func (c *Cluster) writeConfig(o Options, ports []int) {
	c.t.Helper()
	if o.Requests == "" {
		o.Requests = "off"
	}
	var text strings.Builder
	text.WriteString("[cluster]\nname = \"ordeal\"\n")
	for n := range replicas {
		fmt.Fprintf(&text, "[replicas.r%d]\nclient = %q\npeer = %q\n", n+1, loopback(ports[2*n]), loopback(ports[2*n+1]))
	}
	fmt.Fprintf(&text, "[storage]\ndir = %q\nsegment = \"4MiB\"\n", filepath.Join(c.Folder, "data"))
	if o.Keep != "" {
		fmt.Fprintf(&text, "keep = %q\n", o.Keep)
	}
	fmt.Fprintf(&text, "[log]\ndir = %q\nrequests = %q\n", filepath.Join(c.Folder, "logs"), o.Requests)
	fmt.Fprintf(&text, "[faults]\nenabled = true\n%s", o.Faults)
	if err := os.WriteFile(c.ConfigFile, []byte(text.String()), 0o600); err != nil {
		c.t.Fatal(err)
	}
	parsed, err := config.Load(c.ConfigFile, nil, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.Config = parsed
}

func (c *Cluster) initialise() {
	c.t.Helper()
	code, output := c.Run("synodd", "init", "--config", c.ConfigFile)
	if code != 0 {
		c.t.Fatalf("synodd init: exit code %d: %s", code, output)
	}
	if _, id, found := strings.Cut(output, "cluster id "); found {
		c.ClusterID = strings.TrimSpace(id)
	}
}

// launcher runs launches on one thread, for the kernel kills a child when the thread that started it ends. The channel
// is closed when all children have ended.
func (c *Cluster) launcher() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for launch := range c.launches {
		launch()
	}
}

// launch starts a command in the cluster's folder that dies with this process.
func (c *Cluster) launch(command *exec.Cmd) error { return c.launchIn(command, c.Folder) }

// launchIn is launch in another folder, with more in the environment.
func (c *Cluster) launchIn(command *exec.Cmd, folder string, more ...string) error {
	command.Dir, command.Env = folder, append(environment(), more...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	result := make(chan error, 1)
	c.launches <- func() { result <- command.Start() }
	return <-result
}

// environment is ours without what would change the configuration of the children.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "SYNOD_") })
}

// Run runs a program, "synodd" or "synod", to its end and gives its exit code and all it wrote. Its standard input is
// empty.
func (c *Cluster) Run(program string, arguments ...string) (code int, output string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*Patience)
	defer cancel()
	var text strings.Builder
	command := exec.CommandContext(ctx, Program(program), arguments...)
	command.Stdout, command.Stderr = &text, &text
	if err := c.launch(command); err != nil {
		c.t.Fatalf("start %s %s: %v", program, strings.Join(arguments, " "), err)
	}
	_ = command.Wait() // the exit code says it
	if ctx.Err() != nil {
		c.t.Fatalf("%s %s did not end in %v: %s", program, strings.Join(arguments, " "), 3*Patience, &text)
	}
	return command.ProcessState.ExitCode(), text.String()
}

// Client opens a client of all replicas that prefers one, or any if it is "". It is closed at the end of the test.
func (c *Cluster) Client(replica string, options ...client.Option) *client.Client {
	c.t.Helper()
	if replica != "" {
		options = append(options, client.WithReplica(replica))
	}
	opened, err := client.Open(context.Background(), client.Endpoints(c.Config), options...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = opened.Close() })
	return opened
}

// Endpoint is the address of a replica for clients and operators.
func (c *Cluster) Endpoint(id string) client.Endpoint {
	r, ok := c.Config.Replica(id)
	if !ok {
		c.t.Fatalf("no replica %s", id)
	}
	return client.Endpoint{Replica: id, Address: r.Client}
}

// Running lists the replicas whose process lives, halted ones included.
func (c *Cluster) Running() []string {
	return slices.DeleteFunc(c.Config.ReplicaIDs(), func(id string) bool { return !c.alive(id) })
}

// end kills everything, and keeps and shows what a failed test needs.
func (c *Cluster) end() {
	for _, p := range c.running {
		_ = p.command.Process.Kill() // it may have ended by itself
		<-p.done
	}
	close(c.launches)
	if c.guard != nil {
		_ = c.guard.Close() // nothing was accepted
	}
	if c.t.Failed() {
		c.t.Logf("the folder of the cluster is kept: %s", c.Folder)
		for _, id := range c.Config.ReplicaIDs() {
			c.t.Logf("last lines of %s:\n%s", id, tail(c.Output(id)))
		}
		return
	}
	if err := os.RemoveAll(c.Folder); err != nil {
		c.t.Errorf("remove the folder of the cluster: %v", err)
	}
}

// tailBytes of a daemon's output are shown when a test fails.
const tailBytes = 4 << 10

func tail(text string) string { return text[max(0, len(text)-tailBytes):] }
