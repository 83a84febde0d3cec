package processtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestALongLogRestartsInTime: all replicas are killed after many updates. What a start must read and apply again must
// not grow with the age of the cluster.
func TestALongLogRestartsInTime(t *testing.T) {
	long(t)
	c := NewCluster(t, Options{})
	for round := range pick(1, 1, 4) {
		pour(t, c, pick(0, 20_000, 100_000), 10+490*(round%2), 256)
		c.Kill(c.Config.ReplicaIDs()...)
		begin := time.Now()
		c.Start(c.Config.ReplicaIDs()...)
		c.WaitLeader(Patience)
		took := time.Since(begin)
		serveTogether(t, c, "r1")
		t.Logf("round %d: leader after %v, all serve after %v", round+1, took.Round(time.Millisecond),
			time.Since(begin).Round(time.Millisecond))
		if took > leaderMax {
			t.Errorf("no leader for %v after a restart, allowed are %v", took, leaderMax)
		}
	}
}

// pour writes so many values of so many bytes, fast. Few writers make many small slots, many writers few large ones.
func pour(t *testing.T, c *Cluster, updates, writers, bytes int) {
	t.Helper()
	begin := time.Now()
	own := c.Client("")
	defer func() { _ = own.Close() }() // Close only ends goroutines
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range updates / writers {
				ctx, cancel := context.WithTimeout(context.Background(), Patience)
				_, err := own.Put(ctx, fmt.Appendf(nil, "pour/%d/%d", w, n%2500), make([]byte, bytes))
				cancel()
				if err != nil {
					t.Errorf("put: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d updates in %v", updates, time.Since(begin).Round(time.Millisecond))
}
