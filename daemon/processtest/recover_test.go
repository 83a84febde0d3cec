package processtest

import (
	"fmt"
	"slices"
	"testing"
	"time"
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
