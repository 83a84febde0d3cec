package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"synod/core/kv"
	"synod/core/paxos"
	"synod/core/session"
	"synod/protocol"
	"synod/protocol/client"
	"synod/protocol/client/clienttest"
)

// inBubble runs a test with a cluster and a client under a fake clock, and so
// checks too that closing both leaves no goroutine.
func inBubble(
	t *testing.T, replicas int, test func(*testing.T, *clienttest.Cluster, *client.Client), options ...client.Option,
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cluster := clienttest.New(replicas)
		defer cluster.Close()
		test(t, cluster, open(t, cluster, options...))
	})
}

func open(t *testing.T, cluster *clienttest.Cluster, options ...client.Option) *client.Client {
	t.Helper()
	options = append([]client.Option{client.WithConnector(cluster.Connect)}, options...)
	c, err := client.Open(t.Context(), cluster.Endpoints(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func failureOf(t *testing.T, err error) *client.Error {
	t.Helper()
	var failure *client.Error
	if !errors.As(err, &failure) {
		t.Fatalf("error %v of type %T, want a *client.Error", err, err)
	}
	return failure
}

func mustPut(t *testing.T, c *client.Client, key, value string, options ...client.CallOption) client.Info {
	t.Helper()
	info, err := c.Put(t.Context(), []byte(key), []byte(value), options...)
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return info
}

func mustGet(t *testing.T, c *client.Client, key string, options ...client.CallOption) client.Value {
	t.Helper()
	value, err := c.Get(t.Context(), []byte(key), options...)
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	return value
}

func TestVerbs(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		if v := mustGet(t, c, "color"); v.Found || v.Value != nil {
			t.Errorf("a missing key gave %+v", v)
		}
		first := mustPut(t, c, "color", "green", client.At("r2"))
		if first.Replica != "r2" || first.Slot == 0 || first.Revision != 1 || first.Attempts != 1 {
			t.Errorf("put at r2 gave %+v", first)
		}
		if v := mustGet(t, c, "color", client.At("r3")); string(v.Value) != "green" || v.Revision != 1 || v.Replica != "r3" {
			t.Errorf("get at r3 gave %+v", v)
		}
		mustPut(t, c, "empty", "")
		if v := mustGet(t, c, "empty", client.Stale()); !v.Found || len(v.Value) != 0 {
			t.Errorf("an empty value gave %+v", v)
		}
		if _, err := c.Delete(t.Context(), []byte("color")); err != nil {
			t.Fatal(err)
		}
		if v := mustGet(t, c, "color"); v.Found {
			t.Errorf("after the delete: %+v", v)
		}
		if n := cluster.Applies(); n != 3 {
			t.Errorf("%d updates executed, want 3", n)
		}
	})
}

func TestScanReadsPageByPage(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, _ *clienttest.Cluster, c *client.Client) {
		const keys = 2*protocol.ScanEntriesMax + 7
		for i := range keys {
			mustPut(t, c, fmt.Sprintf("k%05d", i), "v")
		}
		mustPut(t, c, "other", "v")
		count := func(options ...client.CallOption) (n int, last string) {
			for e, err := range c.Scan(t.Context(), []byte("k"), options...) {
				if err != nil {
					t.Fatal(err)
				}
				n, last = n+1, string(e.Key)
			}
			return n, last
		}
		if n, last := count(); n != keys || last != fmt.Sprintf("k%05d", keys-1) {
			t.Errorf("whole scan: %d entries up to %s, want %d", n, last, keys)
		}
		if n, _ := count(client.Limit(1003)); n != 1003 {
			t.Errorf("limited scan: %d entries, want 1003", n)
		}
		if n, _ := count(client.After([]byte("k00099")), client.KeysOnly()); n != keys-100 {
			t.Errorf("scan after a key: %d entries, want %d", n, keys-100)
		}
		for range c.Scan(t.Context(), nil) {
			break // a scan may be left at any time
		}
		for _, err := range c.Scan(t.Context(), nil, client.Limit(-1)) {
			if !errors.Is(err, client.ErrTooLarge) {
				t.Errorf("a negative limit gave %v", err)
			}
		}
	})
}

func TestSizesAreCheckedBeforeSending(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		for _, test := range []struct {
			key, value int
			want       error
		}{
			{0, 0, client.ErrDenied},
			{kv.KeyBytesMax + 1, 0, client.ErrTooLarge},
			{1, kv.ValueBytesMax + 1, client.ErrTooLarge},
		} {
			_, err := c.Put(t.Context(), make([]byte, test.key), make([]byte, test.value))
			if !errors.Is(err, test.want) || failureOf(t, err).Outcome != client.NotSent {
				t.Errorf("key of %d, value of %d bytes: %v, want %v", test.key, test.value, err, test.want)
			}
		}
		big := strings.Repeat("v", kv.ValueBytesMax)
		mustPut(t, c, strings.Repeat("k", kv.KeyBytesMax), big)
		if v := mustGet(t, c, strings.Repeat("k", kv.KeyBytesMax)); string(v.Value) != big {
			t.Errorf("the largest value came back with %d bytes", len(v.Value))
		}
		if n := cluster.Applies(); n != 1 {
			t.Errorf("%d updates executed, want 1", n)
		}
	})
}

func TestUpdateIsRepeatedElsewhereWithTheSameSequence(t *testing.T) {
	for _, treatment := range []clienttest.Treatment{clienttest.Drop, clienttest.Hold, clienttest.Garble} {
		inBubble(t, 3, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
			mustPut(t, c, "warm", "up")
			cluster.Replica("r1").TreatAll(treatment)
			info := mustPut(t, c, "key", "value")
			if info.Attempts != 2 || info.Replica == "r1" {
				t.Errorf("treatment %d: %+v, want the second attempt elsewhere", treatment, info)
			}
			if n := cluster.Applies(); n != 2 {
				t.Errorf("treatment %d: %d updates executed, want 2", treatment, n)
			}
			cluster.Replica("r1").Release()
		}, client.WithReplica("r1"))
	}
}

func TestNeverRetries(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "warm", "up", client.At("r1"))
		cluster.Replica("r1").TreatAll(clienttest.Drop)
		_, err := c.Put(t.Context(), []byte("k"), []byte("v"), client.At("r1"))
		f := failureOf(t, err)
		if f.Outcome != client.Unknown || f.Attempts != 1 || f.Replica != "r1" {
			t.Errorf("a lost connection gave %+v", f)
		}
		cluster.Replica("r1").Stop()
		_, err = c.Put(t.Context(), []byte("k"), []byte("v"), client.At("r1"))
		if f := failureOf(t, err); !errors.Is(err, client.ErrUnreachable) || f.Outcome != client.NotSent {
			t.Errorf("a replica that is down gave %v, %+v", err, f)
		}
		_, err = c.Get(t.Context(), []byte("k"), client.At("r9"))
		if !errors.Is(err, client.ErrUnreachable) {
			t.Errorf("an unknown replica gave %v", err)
		}
	}, client.WithRetry(client.Never))
}

func TestRefusals(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "warm", "up")
		one := cluster.Replica("r1")
		one.Refuse(protocol.CodeUnavailable, "the learner is down")
		if info := mustPut(t, c, "k", "v"); info.Replica == "r1" || info.Attempts != 2 {
			t.Errorf("unavailable was not tried elsewhere: %+v", info)
		}
		one.Refuse(protocol.CodeDenied, "not you")
		_, err := c.Put(t.Context(), []byte("k"), []byte("v"), client.At("r1"))
		if f := failureOf(t, err); !errors.Is(err, client.ErrDenied) || f.Outcome != client.NotSent || f.Attempts != 1 {
			t.Errorf("denied gave %v, %+v", err, f)
		}
		one.Treat(func(protocol.Frame) (clienttest.Treatment, *protocol.Error) {
			return clienttest.Answer, protocol.StatusError(session.Overloaded)
		})
		_, err = c.Put(t.Context(), []byte("k"), []byte("v"), client.At("r1"), client.Retrying(client.Never))
		if f := failureOf(t, err); !errors.Is(err, client.ErrOverloaded) || f.Outcome != client.Unknown {
			t.Errorf("overloaded when applied gave %v, %+v", err, f)
		}
		for i := range 3 {
			cluster.Replica(fmt.Sprintf("r%d", i+1)).Refuse(protocol.CodeNoQuorum, "1 of 3 acceptors heard")
		}
		start := time.Now()
		_, err = c.Put(t.Context(), []byte("k"), []byte("v"))
		if f := failureOf(t, err); !errors.Is(err, client.ErrNoQuorum) || f.Outcome != client.Unknown || f.Attempts < 3 {
			t.Errorf("no quorum gave %v, %+v", err, f)
		}
		if took := time.Since(start); took > client.TimeoutDefault {
			t.Errorf("it took %s, longer than the default of a call", took)
		}
		if !strings.Contains(err.Error(), "1 of 3 acceptors heard") {
			t.Errorf("the text %q does not say what the replica said", err)
		}
	}, client.WithReplica("r1"))
}

// TestHalfDeadReplicaIsLeftAlone: the preferred replica is connected and cannot
// serve. Its retries do not use up what a client may spend on them, and it is
// preferred again when it serves.
func TestHalfDeadReplicaIsLeftAlone(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		one := cluster.Replica("r1")
		one.Refuse(protocol.CodeUnavailable, "the learner is down")
		attempts := 0
		const calls = 2000
		for range calls {
			attempts += mustPut(t, c, "k", "v").Attempts
			time.Sleep(time.Millisecond) // of the bubble
		}
		if attempts > calls+20 {
			t.Errorf("%d attempts for %d calls", attempts, calls)
		}
		one.Treat(nil)
		time.Sleep(time.Second)
		if info := mustPut(t, c, "k", "v"); info.Replica != "r1" {
			t.Errorf("%s answered, though r1 serves again", info.Replica)
		}
	}, client.WithReplica("r1"))
}

// TestOneThatIsAloneSaysMoreThanTheClock: what a replica says about its majority is
// told, though others keep silent afterwards; and it is asked to say so in time.
func TestOneThatIsAloneSaysMoreThanTheClock(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "warm", "up")
		remaining := make(chan uint32, 16)
		cluster.Replica("r1").Treat(func(f protocol.Frame) (clienttest.Treatment, *protocol.Error) {
			remaining <- f.Remaining
			return clienttest.Answer, protocol.Refuse(protocol.CodeNoQuorum, 1, "1 of 3 acceptors heard")
		})
		cluster.Replica("r2").TreatAll(clienttest.Drop)
		cluster.Replica("r3").TreatAll(clienttest.Drop)
		_, err := c.Put(t.Context(), []byte("k"), []byte("v"))
		f := failureOf(t, err)
		if !errors.Is(err, client.ErrNoQuorum) || f.Replica != "r1" || f.Outcome != client.Unknown {
			t.Errorf("one alone and two silent gave %v, %+v", err, f)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the end of its time is not behind it: %v", err)
		}
		if first := protocol.RemainingOf(client.TimeoutDefault / 2); <-remaining > first {
			t.Errorf("more than %d µs remained for an attempt of half the time", first)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(client.TimeoutDefault/2, cancel)
		if _, err := c.Put(ctx, []byte("k"), []byte("v")); errors.Is(err, client.ErrNoQuorum) {
			t.Errorf("who gave up is told %v", err)
		}
	}, client.WithReplica("r1"))
}

func TestExpiredSessionLeavesEverythingSentUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := clienttest.NewWith(1, kv.Options{SessionsMax: 1, SessionGuardSlots: 2})
		defer cluster.Close()
		c, other := open(t, cluster), open(t, cluster)
		mustPut(t, c, "a", "1")
		held := cluster.Replica("r1")
		held.TreatAll(clienttest.Swallow)
		var pending sync.WaitGroup
		errs := make([]error, 3)
		for i := range errs {
			pending.Go(func() {
				_, errs[i] = c.Put(t.Context(), []byte("pending"), []byte("x"), client.Retrying(client.Never))
			})
		}
		synctest.Wait() // all three are on their way and swallowed
		held.TreatAll(clienttest.Answer)
		cluster.Advance(5)
		mustPut(t, other, "b", "1") // takes the place of the first session
		_, err := c.Put(t.Context(), []byte("a"), []byte("2"))
		if f := failureOf(t, err); !errors.Is(err, client.ErrSessionExpired) || f.Outcome != client.Unknown {
			t.Errorf("the expired session gave %v, %+v", err, f)
		}
		pending.Wait()
		for _, err := range errs {
			if f := failureOf(t, err); f.Outcome != client.Unknown {
				t.Errorf("an update in flight is %s: %v", f.Outcome, err)
			}
		}
		cluster.Advance(5)
		mustPut(t, c, "a", "3") // in a new session
		if n := cluster.Applies(); n != 3 {
			t.Errorf("%d updates executed, want 3: none may run again in a new session", n)
		}
	})
}

func TestTimeoutAndLateAnswer(t *testing.T) {
	late := make(chan client.Late, 4)
	inBubble(t, 1, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "warm", "up")
		cluster.Replica("r1").TreatAll(clienttest.Hold)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := c.Put(ctx, []byte("k"), []byte("v"))
		if took := time.Since(start); took != 300*time.Millisecond {
			t.Errorf("it took %s, the context allowed 300ms", took)
		}
		f := failureOf(t, err)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, client.ErrTimeout) || f.Outcome != client.Unknown {
			t.Errorf("timeout gave %v, %+v", err, f)
		}
		cluster.Replica("r1").TreatAll(clienttest.Answer)
		cluster.Replica("r1").Release()
		if l := <-late; l.Outcome != client.Done || l.Operation != "put" || l.Replica != "r1" || l.Sequence != 2 {
			t.Errorf("late answer %+v", l)
		}
		if v := mustGet(t, c, "k"); string(v.Value) != "v" {
			t.Errorf("the late update left %+v", v)
		}
		mustPut(t, c, "k", "w")
		if n := c.Strays(); n != 0 {
			t.Errorf("%d stray answers", n)
		}
	}, client.WithLate(func(l client.Late) { late <- l }))
}

func TestCanceledCallReturnsAtOnce(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "warm", "up")
		cluster.Replica("r1").TreatAll(clienttest.Swallow)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := c.Put(ctx, []byte("k"), []byte("v"))
			done <- err
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if err := <-done; !errors.Is(err, context.Canceled) || failureOf(t, err).Outcome != client.Unknown {
			t.Errorf("canceled: %v", err)
		}
	})
}

func TestReconnects(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "k", "1")
		stop(cluster, "r1")
		_, err := c.Get(t.Context(), []byte("k"))
		if !errors.Is(err, client.ErrUnreachable) {
			t.Errorf("while it is down: %v", err)
		}
		time.Sleep(time.Minute)
		before := cluster.Replica("r1").Dials()
		time.Sleep(time.Minute)
		if n := cluster.Replica("r1").Dials() - before; n < 60/5 || n > 2*60/5+1 {
			t.Errorf("%d dials in a minute, want one every 2.5 to 5 s", n)
		}
		cluster.Replica("r1").Start()
		if v := mustGet(t, c, "k"); string(v.Value) != "1" {
			t.Errorf("after it is back: %+v", v)
		}
	})
}

func TestSilentConnectionIsEnded(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "k", "1")
		time.Sleep(time.Hour) // answered pings keep it
		if n := cluster.Replica("r1").Dials(); n != 1 {
			t.Errorf("an idle connection was dialled %d times", n)
		}
		cluster.Replica("r1").Mute(true)
		time.Sleep(2 * (protocol.PongTimeout + protocol.PingInterval))
		if n := cluster.Replica("r1").Dials(); n < 2 {
			t.Error("a connection that does not answer pings was kept")
		}
		cluster.Replica("r1").Mute(false)
		mustPut(t, c, "k", "2")
	})
}

func TestLeavingReplicaGetsNoNewRequests(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "k", "1")
		cluster.Replica("r1").TreatAll(clienttest.Hold)
		done := make(chan error, 1)
		go func() {
			_, err := c.Put(t.Context(), []byte("k"), []byte("2"), client.At("r1"))
			done <- err
		}()
		synctest.Wait()
		cluster.Replica("r1").Leave()
		synctest.Wait()
		if info := mustPut(t, c, "other", "1"); info.Replica == "r1" {
			t.Errorf("a new request went to the replica that leaves: %+v", info)
		}
		cluster.Replica("r1").Release()
		if err := <-done; err != nil {
			t.Errorf("a request in flight failed: %v", err)
		}
	}, client.WithReplica("r1"))
}

func TestCloseEndsCallsUnderWay(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "warm", "up")
		for i := range 3 {
			cluster.Replica(fmt.Sprintf("r%d", i+1)).TreatAll(clienttest.Swallow)
		}
		done := make(chan error, 1)
		go func() {
			_, err := c.Put(t.Context(), []byte("k"), []byte("v"))
			done <- err
		}()
		synctest.Wait()
		for range 2 {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := <-done; !errors.Is(err, client.ErrClosed) || failureOf(t, err).Outcome != client.Unknown {
			t.Errorf("a call under way: %v", err)
		}
		if _, err := c.Get(t.Context(), []byte("k")); !errors.Is(err, client.ErrClosed) {
			t.Errorf("a call after Close: %v", err)
		}
		if _, err := c.Put(t.Context(), []byte("k"), nil); !errors.Is(err, client.ErrClosed) {
			t.Errorf("an update after Close: %v", err)
		}
	})
}

func TestWindowThatIsStuckMovesToANewSession(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "warm", "up")
		cluster.Replica("r1").TreatAll(clienttest.Swallow)
		if _, err := c.Put(t.Context(), []byte("lost"), []byte("x")); !errors.Is(err, client.ErrTimeout) {
			t.Fatalf("swallowed: %v", err)
		}
		cluster.Replica("r1").TreatAll(clienttest.Answer)
		const more = 3000 // far above the window
		for i := range more {
			mustPut(t, c, "k", fmt.Sprint(i))
		}
		if n := cluster.Applies(); n != more+1 {
			t.Errorf("%d updates executed, want %d", n, more+1)
		}
	})
}

func TestManyCallsOverOneConnection(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		const callers, each = 64, 50
		var group sync.WaitGroup
		for i := range callers {
			group.Go(func() {
				key := fmt.Sprintf("key%d", i)
				for n := range each {
					mustPut(t, c, key, fmt.Sprint(n))
					if v := mustGet(t, c, key); string(v.Value) != fmt.Sprint(n) {
						t.Errorf("%s is %q after put %d", key, v.Value, n)
					}
				}
			})
		}
		group.Wait()
		if n := cluster.Applies(); n != callers*each {
			t.Errorf("%d updates executed, want %d", n, callers*each)
		}
		dials := 0
		for i := range 3 {
			dials += cluster.Replica(fmt.Sprintf("r%d", i+1)).Dials()
		}
		if dials != 1 {
			t.Errorf("%d connections, want 1", dials)
		}
	})
}

func TestOpenRefusesNonsense(t *testing.T) {
	if _, err := client.Open(t.Context(), nil); err == nil {
		t.Error("no endpoints were accepted")
	}
	if _, err := client.Open(t.Context(), make([]client.Endpoint, paxos.ReplicasMax+1)); err == nil {
		t.Error("more endpoints than replicas were accepted")
	}
	one := []client.Endpoint{{Replica: "r1", Address: "127.0.0.1:1"}}
	if _, err := client.Open(t.Context(), one, client.WithReplica("r2")); err == nil {
		t.Error("a preferred replica without endpoint was accepted")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Open(ended, one); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context gave %v", err)
	}
}
