package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"synod/core/config"
	"synod/core/paxos"
	"synod/daemon/host"
	"synod/daemon/monitor"
	"synod/protocol"
	"synod/protocol/client"
)

// patience bounds everything that a test waits for. It is not a measure of
// speed: nothing is asserted about how much of it is used.
const patience = 30 * time.Second

// cluster is some replicas in this process, on loopback ports and in a
// temporary folder.
type cluster struct {
	t       *testing.T
	config  *config.Config
	running []*member
	// checkpoint is the pause between two checkpoints of the applied state.
	checkpoint time.Duration
}

// member is one replica: its daemon is nil while it is stopped.
type member struct {
	settings settings
	daemon   *daemon
}

// newCluster makes and starts a cluster with faults allowed.
func newCluster(t *testing.T, replicas int) *cluster {
	t.Helper()
	return startCluster(t, replicas, "64MiB", checkpointEvery)
}

// newForgetfulCluster is newCluster with acceptors that cut their logs early and often.
func newForgetfulCluster(t *testing.T, replicas int) *cluster {
	t.Helper()
	return startCluster(t, replicas, "1MiB", 100*time.Millisecond)
}

func startCluster(t *testing.T, replicas int, keep string, checkpoint time.Duration) *cluster {
	t.Helper()
	c := &cluster{t: t, checkpoint: checkpoint}
	var text strings.Builder
	var peers, clients []net.Listener
	for i := range replicas {
		peers, clients = append(peers, open(t, "127.0.0.1:0")), append(clients, open(t, "127.0.0.1:0"))
		fmt.Fprintf(&text, "[replicas.r%d]\nclient = %q\npeer = %q\n", i+1, clients[i].Addr(), peers[i].Addr())
	}
	fmt.Fprintf(&text, "[storage]\ndir = %q\nsegment = \"2MiB\"\nkeep = %q\n", t.TempDir(), keep)
	text.WriteString("[log]\nrequests = \"all\"\n[faults]\nenabled = true\n")
	var err error
	if c.config, err = config.Parse(config.Source{Name: "config.toml", Text: []byte(text.String())}); err != nil {
		t.Fatal(err)
	}
	for _, r := range c.config.Replicas {
		if err := initialiseOne(c.config, r, paxos.ClusterID{1}); err != nil {
			t.Fatal(err)
		}
		c.running = append(c.running, &member{})
	}
	for i := range replicas {
		c.start(i, peers[i], clients[i])
	}
	t.Cleanup(func() {
		for i := range c.running {
			c.stop(i)
		}
	})
	return c
}

func open(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// start starts one replica, on new listeners if none are given.
func (c *cluster) start(i int, peers, clients net.Listener) {
	c.t.Helper()
	r := c.config.Replicas[i]
	if peers == nil {
		peers, clients = open(c.t, r.Peer), open(c.t, r.Client)
	}
	id, err := readIdentity(c.config.ReplicaDir(r.ID), r, c.config)
	if err != nil {
		c.t.Fatal(err)
	}
	ring := monitor.NewRing(ringLinesMax)
	logger, err := monitor.NewLogger(monitor.LogOptions{Level: "debug", Ring: ring})
	if err != nil {
		c.t.Fatal(err)
	}
	m := c.running[i]
	m.settings = settings{
		config: c.config, identity: id, dir: c.config.ReplicaDir(r.ID), logger: logger.With("replica", r.ID), ring: ring,
		checkpoint: c.checkpoint,
		fatal:      func(f host.Failure) { c.t.Errorf("%s: %s failed: %v\n%s", r.ID, f.Role, f.Err, f.Stack) },
	}
	m.daemon = newDaemon(m.settings)
	if err := m.daemon.start(peers, clients); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) stop(i int) {
	c.t.Helper()
	m := c.running[i]
	if m.daemon == nil {
		return
	}
	if err := m.daemon.stop(); err != nil {
		c.t.Errorf("stop r%d: %v", i+1, err)
	}
	m.daemon = nil
}

// client opens a client that keeps to a replica, or to any.
func (c *cluster) client(options ...client.Option) *client.Client {
	c.t.Helper()
	options = append(options, client.WithTimeout(patience))
	opened, err := client.Open(context.Background(), client.Endpoints(c.config), options...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = opened.Close() })
	return opened
}

func (c *cluster) operator(i int) *client.Operator {
	c.t.Helper()
	r := c.config.Replicas[i]
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	o, err := client.OpenOperator(ctx, client.Endpoint{Replica: r.ID, Address: r.Client})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = o.Close() })
	return o
}

// leader waits until a replica that runs leads, and gives its index.
func (c *cluster) leader() int {
	c.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for i, m := range c.running {
			if m.daemon == nil {
				continue
			}
			if s := m.daemon.host.Status()[0]; s.State == host.StateUp && s.Agent.State == "leading" {
				return i
			}
		}
	}
	c.t.Fatal("no leader")
	return 0
}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestEveryReplicaServesUpdatesAndReads(t *testing.T) {
	c := newCluster(t, 3)
	ctx := context.Background()
	writer := c.client()
	for i, r := range c.config.Replicas {
		key, value := fmt.Appendf(nil, "color/%d", i), fmt.Appendf(nil, "blue%d", i)
		info := must[client.Info](t)(writer.Put(ctx, key, value, client.At(r.ID)))
		if info.Replica != r.ID || info.Slot == 0 || info.Revision == 0 {
			t.Errorf("put at %s: %+v", r.ID, info)
		}
		for _, other := range c.config.Replicas {
			got := must[client.Value](t)(writer.Get(ctx, key, client.At(other.ID)))
			if !got.Found || !bytes.Equal(got.Value, value) || got.Revision != info.Revision {
				t.Errorf("get at %s after put at %s: %+v", other.ID, r.ID, got)
			}
		}
	}
	must[client.Info](t)(writer.Delete(ctx, []byte("color/1"), client.At("r3")))
	if got := must[client.Value](t)(writer.Get(ctx, []byte("color/1"), client.At("r1"))); got.Found {
		t.Errorf("a deleted key is there: %+v", got)
	}
	var keys []string
	for e, err := range writer.Scan(ctx, []byte("color/")) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, string(e.Key)+"="+string(e.Value))
	}
	if got := strings.Join(keys, " "); got != "color/0=blue0 color/2=blue2" {
		t.Errorf("scan gives %s", got)
	}
	must[client.Value](t)(writer.Get(ctx, []byte("color/0"), client.Stale()))
}

func TestStateSurvivesAStopOfAll(t *testing.T) {
	c := newCluster(t, 3)
	ctx := context.Background()
	first := c.client()
	info := must[client.Info](t)(first.Put(ctx, []byte("k"), []byte("v")))
	_ = first.Close()
	for i := range c.running {
		c.stop(i)
	}
	for i := range c.running {
		c.start(i, nil, nil)
	}
	second := c.client()
	got := must[client.Value](t)(second.Get(ctx, []byte("k")))
	if string(got.Value) != "v" || got.Revision != info.Revision {
		t.Errorf("after a restart of all: %+v, want revision %d", got, info.Revision)
	}
	must[client.Info](t)(second.Put(ctx, []byte("k"), []byte("w")))
}

func TestNothingAcknowledgedIsLostWhileRolesCrash(t *testing.T) {
	c := newCluster(t, 3)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	const writers, updates = 4, 25
	var work sync.WaitGroup
	for w := range writers {
		own := c.client(client.WithReplica(c.config.Replicas[w%3].ID))
		work.Go(func() {
			for i := range updates {
				key, value := fmt.Appendf(nil, "w%d", w), fmt.Appendf(nil, "%d", i)
				if _, err := own.Put(ctx, key, value); err != nil {
					t.Errorf("put %s=%s: %v", key, value, err)
					return
				}
				got, err := own.Get(ctx, key)
				if err != nil || string(got.Value) != string(value) {
					t.Errorf("get %s: %q, %v, want %s", key, got.Value, err, value)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { work.Wait(); close(done) }()
	// One role after the other, of all replicas and of the leader: never two
	// acceptors at once, so that there always is a majority.
	operators := []*client.Operator{c.operator(0), c.operator(1), c.operator(2)}
	roles := []string{"proposer", "learner", "acceptor"}
	for round := 0; ; round++ {
		select {
		case <-done:
			if round == 0 {
				t.Log("the work was done before the first crash")
			}
			return
		case <-ctx.Done():
			t.Fatal("the work does not end")
		default:
		}
		o := operators[(round/2)%3]
		for _, action := range []string{protocol.ActionCrash, protocol.ActionRestart} {
			control := protocol.RoleControl{Action: action, Role: roles[round%3], Owner: "test", ForMillis: 5000}
			if _, err := o.Role(ctx, control); err != nil && ctx.Err() == nil {
				t.Errorf("%s %s: %v", action, control.Role, err)
			}
		}
	}
}

func TestAMinorityAnswersReadablyAndAMajorityGoesOn(t *testing.T) {
	c := newCluster(t, 3)
	ctx := context.Background()
	must[client.Info](t)(c.client().Put(ctx, []byte("k"), []byte("v")))
	gone := c.leader()
	c.stop(gone)
	alive := (gone + 1) % 3
	writer := c.client(client.WithReplica(c.config.Replicas[alive].ID))
	must[client.Info](t)(writer.Put(ctx, []byte("k"), []byte("w")))
	c.stop((gone + 2) % 3)
	short, cancel := context.WithTimeout(ctx, 2500*time.Millisecond)
	defer cancel()
	_, err := writer.Put(short, []byte("k"), []byte("x"), client.Retrying(client.Never))
	var failure *client.Error
	if !errors.As(err, &failure) || failure.Outcome != client.Unknown || failure.Code != protocol.CodeNoQuorum {
		t.Errorf("a put without a majority: %v", err)
	}
	if got := must[client.Value](t)(writer.Get(ctx, []byte("k"), client.Stale())); string(got.Value) != "w" {
		t.Errorf("a stale read without a majority: %+v", got)
	}
	c.start(gone, nil, nil)
	must[client.Info](t)(writer.Put(ctx, []byte("k"), []byte("y")))
}

func TestAPausedProposerIsPassedBy(t *testing.T) {
	c := newCluster(t, 3)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	must[client.Info](t)(c.client().Put(ctx, []byte("k"), []byte("v")))
	paused := (c.leader() + 1) % 3
	pause := protocol.RoleControl{Action: protocol.ActionPause, Role: "proposer", Owner: "test"}
	must[*protocol.Done](t)(c.operator(paused).Role(ctx, pause))
	own := c.client(client.WithReplica(c.config.Replicas[paused].ID), client.WithRetry(client.Never))
	info, err := own.Put(ctx, []byte("k"), []byte("w"))
	// On a starved machine heartbeats stay away for a while: without a leader nobody can be passed to.
	for errors.Is(err, client.ErrUnavailable) && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
		info, err = own.Put(ctx, []byte("k"), []byte("w"))
	}
	if err != nil {
		t.Fatalf("put through %s: %v", c.config.Replicas[paused].ID, err)
	}
	if status := c.running[paused].daemon.Status(); info.Replica != status.Replica || status.Roles[0].State != "paused" {
		t.Errorf("put was answered by %s while %+v", info.Replica, status.Roles[0])
	}
}

func TestOperatorsSeeStatusAndLogs(t *testing.T) {
	c := newCluster(t, 3)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	must[client.Info](t)(c.client().Put(ctx, []byte("k"), []byte("v"), client.At("r2")))
	o := c.operator(1)
	hello := must[*protocol.HelloAnswer](t)(o.Hello(ctx, protocol.Hello{Program: "test"}))
	if hello.Replica != "r2" || !hello.Faults || len(hello.Replicas) != 3 {
		t.Errorf("hello: %+v", hello)
	}
	logs := must[*client.Subscription[protocol.LogLines]](t)(o.Logs("info", 1))
	lines := must[*protocol.LogLines](t)(logs.Next(ctx))
	if len(lines.Lines) == 0 || lines.Lines[0].Sequence != 1 {
		t.Errorf("log lines: %+v", lines)
	}
	statuses := must[*client.Subscription[protocol.Status]](t)(o.Status(50 * time.Millisecond))
	status := must[*protocol.Status](t)(statuses.Next(ctx))
	if status.Replica != "r2" || status.Applied == 0 || len(status.Peers) != 2 || len(status.Roles) != 3 {
		t.Errorf("status: %+v", status)
	}
	if _, err := o.Chaos(ctx, protocol.ChaosControl{On: true, Owner: "test"}); err != nil {
		t.Error(err)
	}
	if _, err := o.Chaos(ctx, protocol.ChaosControl{Owner: "test"}); err != nil {
		t.Error(err)
	}
}

func TestAFolderOfAnotherReplicaOrSizeIsRefused(t *testing.T) {
	c := newCluster(t, 3)
	r2 := c.config.Replicas[1]
	if _, err := readIdentity(c.config.ReplicaDir("r1"), r2, c.config); codeOfExit(err) != exitDamaged {
		t.Errorf("r1's folder as r2's: %v", err)
	}
	if _, err := readIdentity(t.TempDir(), r2, c.config); codeOfExit(err) != exitUsage {
		t.Errorf("an empty folder: %v", err)
	}
}

func codeOfExit(err error) int {
	var coded *exit
	if errors.As(err, &coded) {
		return coded.code
	}
	return -1
}
