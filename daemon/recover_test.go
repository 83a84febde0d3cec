package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"synod/daemon/identity"
	"synod/daemon/monitor"
	"synod/protocol"
	"synod/protocol/client"
)

// fill writes so many MiB under ever new values of a few keys.
func (c *cluster) fill(mebibytes int, options ...client.Option) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	writer := c.client(options...)
	value := bytes.Repeat([]byte("synod "), 1_400)
	errs := make(chan error, 4)
	for w := range cap(errs) {
		go func() {
			for i := range mebibytes << 20 / len(value) / cap(errs) {
				if _, err := writer.Put(ctx, fmt.Appendf(nil, "fill %d %d", w, i%5), value); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			c.t.Fatal(err)
		}
	}
}

// until waits for something about a replica.
func (c *cluster) until(i int, what string, reached func(*daemon) bool) {
	c.t.Helper()
	for end := time.Now().Add(patience); !reached(c.running[i].daemon); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("r%d: waited for %s in vain: %+v\nlog:\n%s", i+1, what, c.running[i].daemon.Status(), c.lines(i))
		}
	}
}

// lines is the end of a replica's log.
func (c *cluster) lines(i int) string {
	ring := c.running[i].settings.ring
	var b strings.Builder
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	lines, _, _, _ := ring.Read(ctx, 1, slog.LevelInfo, make([]monitor.Line, 0, ringLinesMax))
	for _, l := range lines {
		fmt.Fprintln(&b, l.Text)
	}
	return b.String()
}

func (c *cluster) untilNormal(i int) {
	c.t.Helper()
	c.until(i, "its acceptor to be normal", func(d *daemon) bool { return d.Status().Roles[1].State == "normal" })
}

func (c *cluster) untilCut(i int) {
	c.t.Helper()
	c.until(i, "a floor", func(d *daemon) bool { return d.Status().Floor > 0 })
}

// expectServing writes and reads at one replica while another one is stopped, so that the vote of r3 is needed.
func (c *cluster) expectServing(at, without int, key, value string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c.stop(without)
	defer c.start(without, nil, nil)
	own := c.client(client.WithReplica(c.config.Replicas[at].ID))
	must[client.Info](c.t)(own.Put(ctx, []byte(key), []byte(value)))
	if got := must[client.Value](c.t)(own.Get(ctx, []byte(key))); string(got.Value) != value {
		c.t.Errorf("%s reads %q, want %q", c.config.Replicas[at].ID, got.Value, value)
	}
}

func lose(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// Whatever a replica has lost while it was down, it comes back by itself, votes again, and has lost nothing: its log,
// its applied state alone after its log was cut, or both.
func TestLostStateComesBack(t *testing.T) {
	c := newForgetfulCluster(t, 3)
	ctx := context.Background()
	must[client.Info](t)(c.client().Put(ctx, []byte("first"), []byte("value")))
	c.fill(6)
	for i := range 3 {
		c.untilCut(i)
	}
	dir := c.config.ReplicaDir("r3")
	for round, lost := range [][]string{{"acceptor"}, {identity.StoreDir}, {"acceptor-3", identity.StoreDir}} {
		c.stop(2)
		must[client.Info](t)(c.client().Put(ctx, []byte("round"), fmt.Appendf(nil, "%d", round)))
		for _, name := range lost {
			lose(t, filepath.Join(dir, name))
		}
		c.start(2, nil, nil)
		c.untilNormal(2)
		if got := c.running[2].daemon.Status().Incarnation; got != uint64(round+2) {
			t.Errorf("without %v r3 is in its life %d, want %d", lost, got, round+2)
		}
		c.expectServing(2, round%2, "after", fmt.Sprint(lost))
		own := c.client(client.WithReplica("r3"))
		if got := must[client.Value](t)(own.Get(ctx, []byte("first"))); string(got.Value) != "value" {
			t.Errorf("without %v r3 has %q under its first key", lost, got.Value)
		}
	}
	if logs, err := filepath.Glob(filepath.Join(dir, "acceptor*")); err != nil || len(logs) > 2 {
		t.Errorf("logs of older lives are left: %v, %v", logs, err)
	}
	again, err := identity.Read(dir)
	if err != nil || again.Incarnation != 4 {
		t.Errorf("the identity is %+v, %v", again, err)
	}
}

// A replica that was away while all others cut their logs gets a snapshot, while the load goes on, and then the rest.
func TestLaggardGetsASnapshot(t *testing.T) {
	c := newForgetfulCluster(t, 3)
	ctx := context.Background()
	must[client.Info](t)(c.client().Put(ctx, []byte("first"), []byte("value")))
	c.stop(2)
	c.fill(8)
	c.untilCut(0)
	c.untilCut(1)
	c.start(2, nil, nil)
	c.fill(3)
	target := c.running[0].daemon.Status().Applied
	c.until(2, "what was written", func(d *daemon) bool { return d.Status().Applied >= target })
	if log := c.lines(2); !strings.Contains(log, "snapshot installed") {
		t.Errorf("r3 has caught up without a snapshot:\n%s", log)
	}
	a, b := c.running[0].daemon.learner.Load(), c.running[2].daemon.learner.Load()
	if a.Revision() == 0 || b.Revision() < a.Revision() {
		t.Errorf("revisions %d and %d", a.Revision(), b.Revision())
	}
	own := c.client(client.WithReplica("r3"))
	if got := must[client.Value](t)(own.Get(ctx, []byte("first"))); string(got.Value) != "value" {
		t.Errorf("r3 has %q under its first key", got.Value)
	}
	for _, suffix := range []string{".incoming", ".next", ".old"} {
		if _, err := os.Stat(filepath.Join(c.config.ReplicaDir("r3"), identity.StoreDir+suffix)); err == nil {
			t.Errorf("the store's %s is left", suffix)
		}
	}
	c.expectServing(2, 0, "k", "v")
}

// A folder that was removed while its replica was down: the others tell it who it is.
func TestLostFolderComesBack(t *testing.T) {
	c := newForgetfulCluster(t, 3)
	ctx := context.Background()
	must[client.Info](t)(c.client().Put(ctx, []byte("first"), []byte("value")))
	c.fill(4)
	r3 := c.config.Replicas[2]
	dir := c.config.ReplicaDir(r3.ID)
	before, err := identity.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.stop(2)
	lose(t, dir)
	_, none := identity.Read(dir)
	var told bytes.Buffer
	after, err := lostIdentity(c.config, r3, dir, none, &told)
	if err != nil || after.Cluster != before.Cluster || after.Replica != 3 || after.Replicas != 3 || told.Len() > 0 {
		t.Fatalf("the others say %+v, %v, told %q", after, err, told.String())
	}
	c.start(2, nil, nil)
	c.untilNormal(2)
	c.expectServing(2, 1, "k", "v")
	if got := c.running[2].daemon.Status(); got.Incarnation != 2 {
		t.Errorf("r3 is in its life %d", got.Incarnation)
	}
	// State without an identity is never used and never removed.
	c.stop(2)
	if err := os.Remove(filepath.Join(dir, "identity.toml")); err != nil {
		t.Fatal(err)
	}
	if _, err := lostIdentity(c.config, r3, dir, none, &told); codeOfExit(err) != exitDamaged {
		t.Errorf("state without identity: %v", err)
	}
	c.stop(0)
	c.stop(1)
	if _, err := lostIdentity(c.config, r3, dir, none, &told); codeOfExit(err) != codeOfExit(none) {
		t.Errorf("nobody knows a cluster: %v", err)
	}
}

// A wipe by an operator's word costs a role its state, with a permit; while one replica is without its state, no other
// gets one. The cluster goes on, and all come back.
func TestWipe(t *testing.T) {
	c := newForgetfulCluster(t, 5)
	ctx, cancel := context.WithTimeout(context.Background(), 10*patience)
	defer cancel()
	must[client.Info](t)(c.client().Put(ctx, []byte("first"), []byte("value")))
	c.fill(2)
	var operators []*client.Operator
	for i := range 5 {
		operators = append(operators, c.operator(i))
	}
	wipe := func(i int, role string, down time.Duration) error {
		_, err := operators[i].Role(ctx, protocol.RoleControl{
			Action: protocol.ActionWipe, Role: role, ForMillis: down.Milliseconds(), Owner: "test",
		})
		return err
	}
	// insist asks until the permit of the wipe before has been given back.
	insist := func(i int, role string, down time.Duration) error {
		err := wipe(i, role, down)
		for err != nil && ctx.Err() == nil && strings.Contains(err.Error(), "no permit") {
			err = wipe(i, role, down)
		}
		return err
	}
	granted := func(i int, role string) {
		t.Helper()
		if err := insist(i, role, 0); err != nil {
			t.Fatalf("wipe %s of r%d: %v", role, i+1, err)
		}
	}
	if err := wipe(0, "proposer", 0); err == nil || !strings.Contains(err.Error(), "no state") {
		t.Errorf("wipe of a proposer: %v", err)
	}
	granted(2, "acceptor")
	c.untilNormal(2)
	granted(2, "learner")
	granted(3, "all")
	for _, i := range []int{2, 3} {
		c.untilNormal(i)
	}
	// One replica stays down without its state: nobody else may lose his.
	ended := make(chan error, 1)
	go func() { ended <- insist(4, "all", 6*time.Second) }()
	c.until(4, "the wipe", func(d *daemon) bool { return d.Status().Roles[1].State == "down" })
	if err := wipe(1, "acceptor", 0); err == nil || !strings.Contains(err.Error(), "no permit") {
		t.Errorf("a second replica was allowed to lose its state: %v", err)
	}
	must[client.Info](t)(c.client(client.WithReplica("r1")).Put(ctx, []byte("k"), []byte("v")))
	if err := <-ended; err != nil {
		t.Error(err)
	}
	c.untilNormal(4)
	for i := range 5 {
		own := c.client(client.WithReplica(c.config.Replicas[i].ID))
		if got := must[client.Value](t)(own.Get(ctx, []byte("first"))); string(got.Value) != "value" {
			t.Errorf("r%d has %q under its first key", i+1, got.Value)
		}
	}
	if err := wipe(0, "acceptor", 0); err != nil && !strings.Contains(err.Error(), "no permit") {
		t.Error(err)
	}
}
