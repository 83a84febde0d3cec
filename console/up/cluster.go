package up

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"synod/core/config"
)

// Limits of time.
const (
	initTimeout     = 30 * time.Second       // of `synodd init`
	stopTimeout     = 10 * time.Second       // from SIGTERM to SIGKILL
	leaderPause     = 30 * time.Millisecond  // between two questions for the leader
	leaderPoll      = 500 * time.Millisecond // of one question
	stderrTailBytes = 2 << 10                // of a child's last words in an error
)

// State of a process.
type State string

// The states.
const (
	Running State = "running"
	Killed  State = "killed" // by us, with SIGKILL
	Stopped State = "stopped"
	Exited  State = "exited" // by itself, or by somebody else's signal
)

// Process is what is known about the process of a replica.
type Process struct {
	ID    string
	PID   int
	State State
	Since time.Time
	Cause string // how it ended, for people; empty while it runs
}

// Cluster is a set of running replicas. Its methods may be called from any goroutine.
type Cluster struct {
	plan     *Plan
	launches chan func() // run one by one on a thread that lives as long as the cluster

	mutex     sync.Mutex // guards what follows
	processes map[string]*process
	stopping  bool
	ended     chan struct{} // closed and replaced whenever a process ends
}

type process struct {
	Process
	command *exec.Cmd
	done    chan struct{} // closed when the process has ended and is described
}

// Launch starts a process for every replica of the plan, after `synodd init` if none of them has any state. If it
// fails, nothing is left running.
func Launch(ctx context.Context, plan *Plan) (*Cluster, error) {
	if err := plan.checkPorts(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(plan.Config.Log.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the log folder: %w", err)
	}
	c := &Cluster{
		plan: plan, launches: make(chan func()), processes: map[string]*process{}, ended: make(chan struct{}),
	}
	go c.launcher()
	err := c.launchAll(ctx)
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) launchAll(ctx context.Context) error {
	fresh, err := c.plan.fresh()
	if err != nil {
		return err
	}
	c.plan.Begun = true
	if fresh {
		if err := c.initialise(ctx); err != nil {
			return err
		}
	}
	for _, id := range c.plan.Config.ReplicaIDs() {
		if err := c.Start(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// launcher runs launches on one thread, for a child dies with the thread that started it (see attributes). It ends
// when Stop closes the channel, after all children have ended.
func (c *Cluster) launcher() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for launch := range c.launches {
		launch()
	}
}

// onLauncher runs do on the launcher's thread and waits for it.
func (c *Cluster) onLauncher(do func() error) error {
	result := make(chan error, 1)
	c.launches <- func() { result <- do() }
	return <-result
}

func (c *Cluster) initialise(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, c.plan.Daemon, "init", "--config", c.plan.ConfigFile)
	command.Env = c.plan.environ
	command.SysProcAttr = attributes()
	var output []byte
	err := c.onLauncher(func() error {
		var err error
		output, err = command.CombinedOutput()
		return err
	})
	if err != nil {
		return fmt.Errorf("%s init: %w: %s", c.plan.Daemon, err, tail(output))
	}
	return nil
}

func tail(text []byte) []byte {
	return text[max(0, len(text)-stderrTailBytes):]
}

// Config is the configuration in force.
func (c *Cluster) Config() *config.Config { return c.plan.Config }

// stderrFile is where the words of a replica go that its log does not hold, such as those of a crash of Go itself.
func (c *Cluster) stderrFile(id string) string {
	return filepath.Join(c.plan.Config.Log.Dir, id+".stderr")
}

// Start starts the process of a replica. It is an error if it runs.
func (c *Cluster) Start(_ context.Context, id string) error {
	if _, ok := c.plan.Config.Replica(id); !ok {
		return fmt.Errorf("no replica %s in this cluster", id)
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.stopping {
		return errors.New("the cluster is being stopped")
	}
	if p := c.processes[id]; p != nil && p.State == Running {
		return fmt.Errorf("%s runs already, as process %d", id, p.PID)
	}
	stderr, err := os.OpenFile(c.stderrFile(id), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o640)
	if err != nil {
		return fmt.Errorf("open the file for the errors of %s: %w", id, err)
	}
	command := exec.Command(c.plan.Daemon, "--config", c.plan.ConfigFile, "--replica", id)
	command.Env, command.Stdout, command.Stderr, command.SysProcAttr = c.plan.environ, stderr, stderr, attributes()
	err = c.onLauncher(command.Start)
	if closeErr := stderr.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", id, err)
	}
	p := &process{
		Process: Process{ID: id, PID: command.Process.Pid, State: Running, Since: time.Now()},
		command: command, done: make(chan struct{}),
	}
	c.processes[id] = p
	go c.await(p)
	return nil
}

// await describes the end of a process. It ends with it.
func (c *Cluster) await(p *process) {
	err := p.command.Wait()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	p.Since = time.Now()
	switch {
	case p.State == Killed:
	case c.stopping:
		p.State = Stopped
	default:
		p.State = Exited
	}
	p.Cause = p.command.ProcessState.String()
	if err == nil {
		p.Cause = "ended by itself, exit status 0"
	}
	close(p.done)
	close(c.ended)
	c.ended = make(chan struct{})
}

// Kill ends the process of a replica with SIGKILL and waits until it is gone.
func (c *Cluster) Kill(ctx context.Context, id string) error {
	c.mutex.Lock()
	p := c.processes[id]
	if p == nil || p.State != Running {
		c.mutex.Unlock()
		return fmt.Errorf("%s does not run", id)
	}
	err := p.command.Process.Kill()
	if err == nil {
		p.State = Killed
	}
	c.mutex.Unlock()
	if err != nil {
		return fmt.Errorf("kill %s: %w", id, err)
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of %s, process %d: %w", id, p.PID, ctx.Err())
	}
}

// Processes tells about all replicas' processes, in the order of the replicas.
func (c *Cluster) Processes() []Process {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	var list []Process
	for _, id := range c.plan.Config.ReplicaIDs() {
		if p := c.processes[id]; p != nil {
			list = append(list, p.Process)
		}
	}
	return list
}

// WaitLeader asks until somebody names a leader, and gives it. The end of a child is an error with its last words.
func (c *Cluster) WaitLeader(ctx context.Context, ask func(context.Context) string) (string, error) {
	for {
		c.mutex.Lock()
		ended := c.ended
		c.mutex.Unlock()
		if err := c.casualty(); err != nil {
			return "", err
		}
		once, cancel := context.WithTimeout(ctx, leaderPoll)
		leader := ask(once)
		cancel()
		if leader != "" {
			return leader, nil
		}
		pause := time.NewTimer(leaderPause)
		select {
		case <-ended:
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return "", fmt.Errorf("wait for a leader (the logs are in %s): %w", c.plan.Config.Log.Dir, ctx.Err())
		}
		pause.Stop()
	}
}

// casualty reports a child that has ended by itself.
func (c *Cluster) casualty() error {
	for _, p := range c.Processes() {
		if p.State != Exited {
			continue
		}
		text, err := os.ReadFile(c.stderrFile(p.ID))
		if err != nil {
			return fmt.Errorf("%s ended: %s", p.ID, p.Cause)
		}
		return fmt.Errorf("%s ended: %s; its last words:\n%s", p.ID, p.Cause, tail(text))
	}
	return nil
}

// Stop ends all children, at first kindly, and waits until they are gone. Later calls do nothing.
func (c *Cluster) Stop() error {
	c.mutex.Lock()
	if c.stopping {
		c.mutex.Unlock()
		return nil
	}
	c.stopping = true
	var running []*process
	for _, p := range c.processes {
		if p.State == Running {
			running = append(running, p)
		}
	}
	c.mutex.Unlock()
	for _, p := range running {
		// A process that has ended meanwhile takes no signal, and needs none. One that was halted must go on to hear.
		_ = p.command.Process.Signal(syscall.SIGTERM)
		_ = p.command.Process.Signal(syscall.SIGCONT)
	}
	patience, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var killed []error
	for _, p := range running {
		select {
		case <-p.done:
			continue
		case <-patience.Done():
		}
		_ = p.command.Process.Kill()
		killed = append(killed, fmt.Errorf("%s (process %d) did not stop in %v and was killed", p.ID, p.PID, stopTimeout))
		<-p.done
	}
	close(c.launches)
	c.plan.release()
	return errors.Join(killed...)
}
