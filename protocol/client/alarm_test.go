package client_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"synod/protocol/client"
	"synod/protocol/client/clienttest"
)

// TestEveryCallHasItsOwnTime: the calls on a connection share one alarm, in whatever order their times end, and an
// attempt that was impatient leaves nothing behind for the next.
func TestEveryCallHasItsOwnTime(t *testing.T) {
	inBubble(t, 2, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "warm", "up")
		cluster.Replica("r1").TreatAll(clienttest.Hold)
		cluster.Replica("r2").TreatAll(clienttest.Hold)
		const calls, unit = 40, 50 * time.Millisecond
		var group sync.WaitGroup
		for i := range calls {
			allowed := unit * time.Duration(1+(7*i)%calls)
			group.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), allowed)
				defer cancel()
				start := time.Now()
				_, err := c.Get(ctx, []byte("k"))
				if took := time.Since(start); took != allowed || !errors.Is(err, client.ErrTimeout) {
					t.Errorf("a call of %s ended after %s: %v", allowed, took, err)
				}
			})
		}
		group.Wait()
		cluster.Replica("r1").TreatAll(clienttest.Answer)
		cluster.Replica("r2").TreatAll(clienttest.Answer)
		cluster.Replica("r1").Release()
		cluster.Replica("r2").Release()
		synctest.Wait()
		for range calls {
			if v := mustGet(t, c, "warm"); string(v.Value) != "up" || v.Attempts != 1 {
				t.Errorf("a call after it gave %+v", v)
			}
		}
		if n := c.Strays(); n != 0 {
			t.Errorf("%d stray answers", n)
		}
	}, client.WithReplica("r1"))
}

// TestImpatienceRacesWithAnswers: answers come at the moment at which patience ends, many times.
func TestImpatienceRacesWithAnswers(t *testing.T) {
	_, c := overTCP(t, 2)
	var group sync.WaitGroup
	for caller := range 8 {
		group.Go(func() {
			for i := range 200 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(20+(i*37+caller*11)%400)*time.Microsecond)
				_, err := c.Get(ctx, []byte("k"))
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v", err)
				}
			}
		})
	}
	group.Wait()
	mustPut(t, c, "k", "v")
	if v := mustGet(t, c, "k"); string(v.Value) != "v" {
		t.Errorf("after it: %+v", v)
	}
}
