package client_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"synod/core/paxos"
	"synod/protocol/client"
	"synod/protocol/client/clienttest"
)

// overTCP gives a client of a cluster on the loopback, through yamux.
func overTCP(t testing.TB, replicas int, options ...client.Option) (*clienttest.Cluster, *client.Client) {
	t.Helper()
	cluster := clienttest.New(replicas)
	ctx, stop := context.WithCancel(context.Background())
	endpoints, err := cluster.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Open(ctx, endpoints, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		stop()
		cluster.Close()
	})
	return cluster, c
}

func TestOverTCP(t *testing.T) {
	_, c := overTCP(t, 3, client.WithCluster(paxos.ClusterID([]byte(clienttest.ClusterID))))
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			for n := range 20 {
				key, value := fmt.Sprintf("k%d", i), fmt.Sprint(n)
				mustPut(t, c, key, value)
				if v := mustGet(t, c, key); string(v.Value) != value {
					t.Errorf("%s is %q, want %s", key, v.Value, value)
				}
			}
		})
	}
	group.Wait()
}

func TestForeignClusterIsRefused(t *testing.T) {
	_, c := overTCP(t, 1, client.WithCluster(paxos.ClusterID{1}), client.WithRetry(client.Never))
	_, err := c.Get(t.Context(), []byte("k"))
	if !errors.Is(err, client.ErrDenied) {
		t.Errorf("a foreign cluster gave %v", err)
	}
}

func TestCloseLosesNoAnswerOverTCP(t *testing.T) {
	cluster, c := overTCP(t, 1)
	mustPut(t, c, "k", "v")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if n := cluster.Applies(); n != 1 {
		t.Errorf("%d updates executed, want 1", n)
	}
}

// BenchmarkPut measures client and in-memory cluster together, in one process.
func BenchmarkPut(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			_, c := overTCP(b, 1)
			b.ReportAllocs()
			run(b, callers, func(key []byte) error {
				_, err := c.Put(b.Context(), key, make([]byte, 128))
				return err
			})
		})
	}
}

// BenchmarkGet is BenchmarkPut for reads.
func BenchmarkGet(b *testing.B) {
	for _, callers := range []int{1, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			_, c := overTCP(b, 1)
			b.ReportAllocs()
			run(b, callers, func(key []byte) error {
				_, err := c.Get(b.Context(), key)
				return err
			})
		})
	}
}

func run(b *testing.B, callers int, do func(key []byte) error) {
	if err := do([]byte("warm")); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	start, used := time.Now(), cpuTime(b)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			key := fmt.Appendf(nil, "key%04d", i)
			for range (b.N + callers - 1) / callers {
				if err := do(key); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64((cpuTime(b)-used).Nanoseconds())/float64(b.N), "cpu-ns/call")
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "calls/s")
}

// cpuTime is what this process has used, both ends together.
func cpuTime(b *testing.B) time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
