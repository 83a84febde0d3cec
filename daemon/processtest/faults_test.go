package processtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"synod/protocol"
	"synod/protocol/client"
)

// serveMax is how long after the end of all faults a cluster may take to serve at every replica: a promise of the
// product.
const serveMax = 3 * time.Second

// randomFaults is the schedule of this ordeal.
const randomFaults = `[faults.random]
on = true
proposer = { every = "2s", down = "200ms..1s" }
acceptor = { every = "2s", down = "200ms..1s" }
learner  = { every = "2s", down = "200ms..1s" }
`

func TestRolesFailAtRandom(t *testing.T) {
	long(t)
	c := NewCluster(t, Options{Faults: randomFaults})
	for range pick(1, 2, 6) {
		load := c.StartLoad(LoadOptions{Clients: 16, Impatient: 4, Timeout: 4 * time.Second})
		load.Run(10 * time.Second)
		chaos(t, c, false)
		updates := serves(t, c)
		h := load.Stop()
		h.Before += updates // they were not the load's
		restarted(t, c)
		c.WaitEqual(Patience)
		judge(t, c, h)
		chaos(t, c, true)
	}
}

// chaos switches the random failures of all replicas.
func chaos(t *testing.T, c *Cluster, on bool) {
	t.Helper()
	for _, id := range c.Config.ReplicaIDs() {
		err := c.Operate(id, func(ctx context.Context, o *client.Operator) error {
			_, err := o.Chaos(ctx, protocol.ChaosControl{On: on, Owner: "ordeal"})
			return err
		})
		if err != nil {
			t.Fatalf("switch chaos at %s: %v", id, err)
		}
	}
}

// serves puts and gets through every replica at once, and wants all answers in time. It gives the number of its
// updates.
func serves(t *testing.T, c *Cluster) (updates uint64) {
	t.Helper()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), serveMax)
	defer cancel()
	var all sync.WaitGroup
	for _, id := range c.Config.ReplicaIDs() {
		own := c.Client(id)
		all.Go(func() {
			if _, err := own.Put(ctx, []byte("serves/"+id), []byte("yes"), client.At(id)); err != nil {
				t.Errorf("%s does not serve %v after the end of all faults: %v", id, serveMax, err)
			}
			if _, err := own.Get(ctx, []byte("serves/"+id), client.At(id)); err != nil {
				t.Errorf("%s does not serve %v after the end of all faults: %v", id, serveMax, err)
			}
		})
	}
	all.Wait()
	t.Logf("every replica served %v after the end of all faults", time.Since(begin).Round(time.Millisecond))
	return uint64(len(c.Config.Replicas))
}

// restarted makes sure that the faults took effect.
func restarted(t *testing.T, c *Cluster) {
	t.Helper()
	counts := map[string]int{}
	for _, id := range c.Config.ReplicaIDs() {
		s, err := c.Status(id)
		if err != nil {
			t.Fatal(err)
		}
		for _, role := range s.Roles {
			counts[role.Role] += role.Restarts
		}
	}
	t.Logf("restarts so far: %v", counts)
	for _, name := range []string{"proposer", "acceptor", "learner"} {
		if counts[name] == 0 {
			t.Errorf("no %s has failed: nothing was tried", name)
		}
	}
}

func TestAHaltedLeaderAnswersNothingOld(t *testing.T) {
	long(t)
	c := NewCluster(t, Options{})
	for range pick(1, 1, 5) {
		leader := c.Leader()
		load := c.StartLoad(LoadOptions{Clients: 12, Pinned: 12, PinnedAt: leader, Pause: time.Millisecond})
		load.AwaitWrites(300)
		halted := load.Now()
		c.Halt(leader)
		load.Run(pick(2*time.Second, 2*time.Second, 5*time.Second))
		if next := c.Leader(); next == leader {
			t.Errorf("%s still leads while it is halted", leader)
		}
		continued := load.Now()
		c.Continue(leader)
		load.AwaitWrites(500)
		load.Run(time.Second)
		h := load.Stop()
		asked := 0
		for i := range h.Operations {
			o := &h.Operations[i]
			if o.Outcome == Done && o.Replica == leader && o.Call > halted && o.Call < continued && o.Return > continued {
				asked++
			}
		}
		t.Logf("%s halted for %v; %d operations that began meanwhile were answered by it afterwards; longest gap %v", leader,
			(continued - halted).Round(time.Millisecond), asked, h.LongestGap(halted, continued).Round(time.Millisecond))
		if asked == 0 {
			t.Errorf("no read waited at the halted leader: nothing was tried")
		}
		c.WaitEqual(Patience)
		judge(t, c, h)
	}
}
