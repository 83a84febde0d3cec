package processtest

import (
	"syscall"
	"testing"
	"time"
)

// leaderMax is how long a cluster may take from its restart to a leader: a promise of the product.
const leaderMax = 3 * time.Second

func TestAllKilledAtOnceUnderLoad(t *testing.T) {
	c := NewCluster(t, Options{})
	var all []*History
	for round := range pick(1, 5, 20) {
		load := c.StartLoad(LoadOptions{Clients: 32, Impatient: 8})
		load.AwaitWrites(int64(500 + 700*(round%4)))
		c.Kill(c.Config.ReplicaIDs()...)
		begin := time.Now()
		c.Start(c.Config.ReplicaIDs()...)
		leader, _ := c.WaitLeader(Patience)
		took := time.Since(begin)
		t.Logf("round %d: leader %s after %v", round+1, leader, took.Round(time.Millisecond))
		if took > leaderMax {
			t.Fatalf("no leader for %v after a restart, allowed are %v", took, leaderMax)
		}
		load.AwaitWrites(200)
		h := load.Stop()
		c.WaitEqual(Patience)
		judge(t, c, h)
		all = append(all, h)
	}
	for _, h := range all { // what an early load wrote is there after all later deaths
		judge(t, c, h)
	}
}

func TestARollingRestartFailsNoOperation(t *testing.T) {
	long(t)
	c := NewCluster(t, Options{})
	load := c.StartLoad(LoadOptions{Clients: 16})
	for range pick(1, 1, 5) {
		for _, id := range c.Config.ReplicaIDs() {
			load.AwaitWrites(200)
			if code := c.Terminate(id); code != 0 {
				t.Errorf("%s ended with exit code %d after SIGTERM", id, code)
			}
			load.AwaitWrites(200)
			c.Start(id)
			c.WaitCaughtUp(id, Patience)
		}
	}
	load.AwaitWrites(200)
	end := load.Now()
	h := load.Stop()
	t.Logf("longest gap %v", h.LongestGap(0, end).Round(time.Millisecond))
	c.WaitEqual(Patience)
	judge(t, c, h)
	for i := range h.Operations {
		if o := &h.Operations[i]; o.Outcome != Done {
			t.Errorf("failed: %v", o)
		}
	}
}

func TestSignalsEndADaemonInOrder(t *testing.T) {
	long(t)
	c := NewCluster(t, Options{})
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		load := c.StartLoad(LoadOptions{Clients: 8})
		load.AwaitWrites(100)
		for _, id := range c.Config.ReplicaIDs() {
			c.Signal(id, signal)
		}
		for _, id := range c.Config.ReplicaIDs() {
			if code := c.Await(id); code != 0 {
				t.Errorf("%s ended with exit code %d after %v:\n%s", id, code, signal, tail(c.Output(id)))
			}
			c.WaitOutput(id, 0, "stopped, everything is on disk")
		}
		c.Start(c.Config.ReplicaIDs()...)
		c.WaitLeader(Patience)
		h := load.Stop()
		c.WaitEqual(Patience)
		judge(t, c, h)
	}
}
