package client_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"synod/core/kv"
	"synod/core/session"
	"synod/protocol"
	"synod/protocol/client"
	"synod/protocol/client/clienttest"
)

// lose makes one attempt at r1 whose answer is lost, and gives its error.
func lose(t *testing.T, cluster *clienttest.Cluster, c *client.Client, treatment clienttest.Treatment) error {
	t.Helper()
	cluster.Replica("r1").TreatAll(treatment)
	_, err := c.Put(t.Context(), []byte("k"), []byte("lost"), client.At("r1"), client.Retrying(client.Never))
	cluster.Replica("r1").TreatAll(clienttest.Answer)
	if f := failureOf(t, err); f.Outcome != client.Unknown {
		t.Fatalf("the lost answer gave %v, %+v", err, f)
	}
	return err
}

func TestRetryFindsTheFirstResult(t *testing.T) {
	for _, test := range []struct {
		treatment clienttest.Treatment
		slots     uint64 // that the lost put has taken
	}{{clienttest.Drop, 1}, {clienttest.Hold, 1}, {clienttest.Swallow, 0}} {
		inBubble(t, 3, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
			before := mustPut(t, c, "warm", "up")
			err := lose(t, cluster, c, test.treatment)
			third := mustPut(t, c, "k", "newer", client.At("r2"))
			if third.Slot != before.Slot+1+test.slots {
				t.Fatalf("treatment %d: the newer put has slot %d after %d", test.treatment, third.Slot, before.Slot)
			}
			applies := cluster.Applies()
			for i := range 3 {
				info, again := c.Retry(t.Context(), fmt.Errorf("wrapped: %w", err), client.At("r3"))
				if again != nil {
					t.Fatalf("treatment %d: retry %d: %v", test.treatment, i, again)
				}
				want := before.Slot + 1
				if test.slots == 0 {
					want = third.Slot + 1 // it had not been executed, and is now
				}
				if info.Slot != want || info.Revision == 0 || info.Replica != "r3" {
					t.Errorf("treatment %d: retry %d gave %+v, want slot %d", test.treatment, i, info, want)
				}
			}
			if n := cluster.Applies(); n != applies+1-int(test.slots) {
				t.Errorf("treatment %d: %d updates executed by the retries", test.treatment, n-applies)
			}
			cluster.Replica("r1").Release()
		})
	}
}

// TestRetryAfterTheLateAnswer: an answer that came late is the result, whatever the cluster has forgotten since.
func TestRetryAfterTheLateAnswer(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "warm", "up")
		err := lose(t, cluster, c, clienttest.Hold)
		cluster.Replica("r1").Release()
		synctest.Wait()
		for range 3 {
			mustPut(t, c, "other", "v") // tells the cluster that the result is known
		}
		requests := cluster.Replica("r2").Requests()
		info, err := c.Retry(t.Context(), err, client.At("r2"))
		if err != nil || info.Replica != "r1" || info.Slot == 0 || info.Revision != 2 {
			t.Errorf("retry gave %+v, %v", info, err)
		}
		if n := cluster.Replica("r2").Requests() - requests; n != 0 {
			t.Errorf("%d requests were sent for a known result", n)
		}
	})
}

func TestRetryThatFailsCanBeRetried(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "warm", "up")
		err := lose(t, cluster, c, clienttest.Swallow)
		cluster.Replica("r2").Stop()
		synctest.Wait()
		_, err = c.Retry(t.Context(), err, client.At("r2"), client.Retrying(client.Never))
		if f := failureOf(t, err); !errors.Is(err, client.ErrUnreachable) || f.Outcome != client.Unknown {
			t.Errorf("a retry that did not leave gave %v, %+v", err, f)
		}
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if info, err := c.Retry(t.Context(), err); err != nil || info.Revision != 2 {
					t.Errorf("retry gave %+v, %v", info, err)
				}
			})
		}
		group.Wait()
		if n := cluster.Applies(); n != 2 {
			t.Errorf("%d updates executed, want 2", n)
		}
	})
}

func TestRetryAfterTheSessionHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := clienttest.NewWith(1, kv.Options{SessionsMax: 1, SessionGuardSlots: 2})
		defer cluster.Close()
		c, other := open(t, cluster), open(t, cluster)
		mustPut(t, c, "warm", "up")
		err := lose(t, cluster, c, clienttest.Swallow)
		cluster.Advance(5)
		mustPut(t, other, "b", "1") // takes the place of the session
		for range 3 {
			if _, err = c.Retry(t.Context(), err); !errors.Is(err, client.ErrSessionExpired) {
				t.Fatalf("retry gave %v", err)
			}
			if f := failureOf(t, err); f.Outcome != client.Unknown {
				t.Errorf("the outcome is %s", f.Outcome)
			}
			cluster.Advance(5)
			mustPut(t, c, "c", "1") // in a new session, which takes the place in turn
		}
		if n := cluster.Applies(); n != 5 {
			t.Errorf("%d updates executed, want 5: the lost one must not run in another session", n)
		}
	})
}

// TestRetryIsBounded: a session keeps an update no longer than its window allows.
func TestRetryIsBounded(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "warm", "up")
		err := lose(t, cluster, c, clienttest.Swallow)
		for range session.WindowMax {
			mustPut(t, c, "k", "v")
		}
		applies := cluster.Applies()
		_, err = c.Retry(t.Context(), err)
		if f := failureOf(t, err); !errors.Is(err, client.ErrSessionExpired) || f.Outcome != client.Unknown {
			t.Errorf("retry gave %v, %+v", err, f)
		}
		if n := cluster.Applies(); n != applies {
			t.Error("it was sent in a session that the client has left")
		}
	})
}

func TestRetryOfNothing(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "warm", "up")
		lost := lose(t, cluster, c, clienttest.Swallow)
		cluster.Replica("r1").TreatAll(clienttest.Swallow)
		_, read := c.Get(t.Context(), []byte("k"))
		cluster.Replica("r1").Refuse(protocol.CodeDenied, "not you")
		_, denied := c.Put(t.Context(), []byte("k"), []byte("v"))
		cluster.Replica("r1").TreatAll(clienttest.Answer)
		requests := cluster.Replica("r1").Requests()
		for name, err := range map[string]error{
			"a read": read, "a refusal": denied, "nothing": nil, "another": context.Canceled,
		} {
			if _, err := c.Retry(t.Context(), err); !errors.Is(err, client.ErrDenied) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := open(t, cluster).Retry(t.Context(), lost); !errors.Is(err, client.ErrDenied) {
			t.Errorf("the error of another client: %v", err)
		} else if failureOf(t, err).Outcome != client.Unknown {
			t.Error("another client knows better what became of the update")
		}
		if n := cluster.Replica("r1").Requests() - requests; n != 0 {
			t.Errorf("%d requests were sent", n)
		}
		_ = c.Close()
		_, err := c.Retry(t.Context(), lost)
		if f := failureOf(t, err); !errors.Is(err, client.ErrClosed) || f.Outcome != client.Unknown {
			t.Errorf("after Close: %v", err)
		}
	})
}

// TestLateAnswerOfAnEarlierAttempt: between two attempts the answer to the first comes, and later updates acknowledge
// it, so that the second finds the result gone.
func TestLateAnswerOfAnEarlierAttempt(t *testing.T) {
	inBubble(t, 2, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "warm", "up")
		one, two := cluster.Replica("r1"), cluster.Replica("r2")
		mustGet(t, c, "warm", client.At("r2")) // connects
		one.TreatAll(clienttest.Hold)
		two.Treat(func(f protocol.Frame) (clienttest.Treatment, *protocol.Error) {
			if f.Kind == protocol.KindUpdate {
				return clienttest.Swallow, nil
			}
			return clienttest.Answer, nil
		})
		done := make(chan error, 1)
		go func() {
			info, err := c.Put(t.Context(), []byte("k"), []byte("v"))
			if err == nil && (info.Replica != "r1" || info.Slot == 0) {
				err = fmt.Errorf("%+v", info)
			}
			done <- err
		}()
		time.Sleep(client.TimeoutDefault * 3 / 4) // the second attempt is under way
		one.TreatAll(clienttest.Answer)
		one.Release()
		synctest.Wait()
		mustPut(t, c, "k", "w", client.At("r1"))
		if err := <-done; err != nil {
			t.Errorf("the put whose answer came late gave %v", err)
		}
		if n := cluster.Applies(); n != 3 {
			t.Errorf("%d updates executed, want 3", n)
		}
	}, client.WithReplica("r1"))
}
