package main

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"synod/core/paxos"
	"synod/protocol/client"
)

// TestManyLargeUpdatesAreRepeatedTogether: while nothing is chosen, the gateway of
// a follower repeats all that waits at once. Together that is more than a frame
// between replicas holds; no replica may fall over it, and all is done in the end.
func TestManyLargeUpdatesAreRepeatedTogether(t *testing.T) {
	c := newCluster(t, 3)
	ctx := context.Background()
	writer := c.client()
	must[client.Info](t)(writer.Put(ctx, []byte("k"), []byte("v")))
	follower := (c.leader() + 1) % 3
	for _, m := range c.running {
		if err := m.daemon.host.Pause(paxos.RoleAcceptor, "test"); err != nil {
			t.Fatal(err)
		}
	}
	var puts sync.WaitGroup
	const count = 8
	for i := range count {
		puts.Go(func() {
			key := fmt.Appendf(nil, "large/%d", i)
			at := client.At(c.config.Replicas[follower].ID)
			if _, err := writer.Put(ctx, key, make([]byte, 1<<20), at); err != nil {
				t.Errorf("put %s: %v", key, err)
			}
		})
	}
	behind := c.running[follower].daemon.gateway
	for end := time.Now().Add(patience); behind.Waiting() < count && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	behind.LeaderChanged() // as when a leader was lost and the next one is heard
	repeated := &c.running[follower].daemon.counters.Retries
	for end := time.Now().Add(patience); repeated.Load() < count && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	for _, m := range c.running {
		if err := m.daemon.host.Resume(paxos.RoleAcceptor, "test"); err != nil {
			t.Fatal(err)
		}
	}
	puts.Wait()
}
