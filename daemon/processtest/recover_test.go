package processtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"synod/protocol"
	"synod/protocol/client"
)

// TestAFolderRemovedByHandComesBack: the folder of a replica is removed while its process is down, under load. The
// process is simply started again: the others know who it is and what it held. Then two of five at once.
func TestAFolderRemovedByHandComesBack(t *testing.T) {
	c := NewCluster(t, Options{})
	fill(t, c, 4)
	load := c.StartLoad(LoadOptions{Clients: 8, Pause: 2 * time.Millisecond})
	served := uint64(0)
	for _, lost := range [][]string{{victim}, {"r1", "r3"}} {
		load.AwaitWrites(100)
		c.Kill(lost...)
		for _, id := range lost {
			removeAll(t, c.Config.ReplicaDir(id))
		}
		load.AwaitWrites(100) // three of five go on
		begin := time.Now()
		c.Start(lost...)
		for _, id := range lost {
			if life := c.WaitNormal(id, Patience); life != 2 {
				t.Errorf("%s is in its life %d, want 2", id, life)
			}
			t.Logf("%s without its folder: votes again after %v", id, time.Since(begin).Round(time.Millisecond))
		}
		for _, id := range lost {
			c.WaitCaughtUp(id, Patience)
			serveTogether(t, c, id)
			served++
		}
	}
	// Each of those who came back is needed now.
	c.Kill("r2", "r4")
	load.AwaitWrites(100)
	c.Start("r2", "r4")
	h := load.Stop()
	h.Before += served
	c.WaitEqual(Patience)
	judge(t, c, h)
}

// wipingFaults lose the state of roles, as often as the others permit.
const wipingFaults = `[faults.random]
on = false
proposer = { every = "3s", down = "200ms..1s" }
acceptor = { every = "2s", down = "200ms..1s", wipe = 0.5 }
learner  = { every = "3s", down = "200ms..1s", wipe = 0.5 }
`

// TestStateIsWipedUnderLoad: roles of all replicas fail at random, half of the acceptors and learners without their
// state; and operators wipe whole replicas. Nothing acknowledged is lost, and all come back by themselves.
func TestStateIsWipedUnderLoad(t *testing.T) {
	long(t)
	c := NewCluster(t, Options{Faults: wipingFaults, Keep: "1MiB"})
	fill(t, c, 8) // so that logs are cut, and a lost state is not in the logs any more
	load := c.StartLoad(LoadOptions{Clients: 16, Impatient: 4, Timeout: 4 * time.Second})
	load.AwaitWrites(200)
	for _, role := range []string{"acceptor", "learner", "all"} {
		for _, id := range []string{victim, "r2"} {
			begin := time.Now()
			wipe(t, c, id, role)
			life := c.WaitNormal(id, Patience)
			c.WaitCaughtUp(id, Patience)
			t.Logf("%s of %s wiped: whole again %v after it was asked for, in life %d", role, id,
				time.Since(begin).Round(time.Millisecond), life)
		}
	}
	chaos(t, c, true)
	load.Run(pick(time.Second, 10*time.Second, time.Minute))
	chaos(t, c, false)
	for _, id := range c.Config.ReplicaIDs() {
		life := c.WaitNormal(id, Patience)
		t.Logf("%s ends in life %d", id, life)
	}
	updates := serves(t, c)
	h := load.Stop()
	h.Before += updates
	restarted(t, c)
	c.WaitEqual(Patience)
	judge(t, c, h)
}

// wipe asks a replica to lose the state of a role, until the others permit it.
func wipe(t *testing.T, c *Cluster, id, role string) {
	t.Helper()
	var last error
	permitted := poll(Patience, func() bool {
		last = c.Operate(id, func(ctx context.Context, o *client.Operator) error {
			_, err := o.Role(ctx, protocol.RoleControl{Action: protocol.ActionWipe, Role: role, Owner: "ordeal"})
			return err
		})
		return last == nil
	})
	if !permitted {
		t.Fatalf("wipe %s of %s: %v", role, id, last)
	}
}

// TestTheLogStaysFlat: the bytes of the acceptors' logs do not grow with what is written, and a start reads only what is
// kept. The long form writes for minutes.
func TestTheLogStaysFlat(t *testing.T) {
	long(t)
	c := NewCluster(t, Options{Keep: "1MiB"})
	var largest []int64
	for round := range pick(1, 6, 60) {
		pour(t, c, 5_000, 100, 4<<10)
		var most int64
		var floors []string
		for _, id := range c.Config.ReplicaIDs() {
			s, err := c.Status(id)
			if err != nil {
				t.Fatal(err)
			}
			most = max(most, s.LogBytes)
			floors = append(floors, fmt.Sprintf("%s %d of %d", id, s.Floor, s.Applied))
		}
		largest = append(largest, most>>20)
		t.Logf("round %d: the largest log has %d MiB; cut %v", round+1, most>>20, floors)
	}
	// Each round writes 20 MiB. What is kept: 1 MiB, what the state has not made durable yet (three memtables of
	// 8 MiB at most), and segments of 4 MiB that are begun or about to go.
	if most := slices.Max(largest); most > 48 {
		t.Errorf("the logs grow: %v MiB", largest)
	}
	begin := time.Now()
	c.Kill(c.Config.ReplicaIDs()...)
	c.Start(c.Config.ReplicaIDs()...)
	c.WaitLeader(Patience)
	t.Logf("all killed and started: a leader after %v", time.Since(begin).Round(time.Millisecond))
	serveTogether(t, c, "r1")
}

// TestALaggardGetsASnapshotUnderLoad: a replica is away while the others write and cut their logs. It comes back while
// the load goes on, takes a snapshot, and catches up; it does not run after the others for ever.
func TestALaggardGetsASnapshotUnderLoad(t *testing.T) {
	long(t)
	c := NewCluster(t, Options{Keep: "1MiB"})
	c.Kill(victim)
	pour(t, c, pick(2_000, 5_000, 200_000), 100, 4<<10)
	load := c.StartLoad(LoadOptions{Clients: 16})
	load.AwaitWrites(200)
	begin := time.Now()
	behind := len(c.Output(victim))
	c.Start(victim)
	here := c.WaitOutput(victim, behind, "copy of another replica's state is here")
	c.WaitOutput(victim, behind, "snapshot installed")
	c.WaitCaughtUp(victim, Patience)
	t.Logf("caught up %v after its start, under load: %s", time.Since(begin).Round(time.Millisecond),
		strings.TrimSpace(here))
	serveTogether(t, c, victim)
	h := load.Stop()
	h.Before++
	c.WaitEqual(Patience)
	judge(t, c, h)
}
