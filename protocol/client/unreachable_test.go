package client_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"synod/protocol"
	"synod/protocol/client"
	"synod/protocol/client/clienttest"
)

func stop(cluster *clienttest.Cluster, replicas ...string) {
	for _, replica := range replicas {
		cluster.Replica(replica).Stop()
	}
	synctest.Wait() // the client has noticed
}

func TestNobodyIsReachable(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		check := func(name string, err error) {
			t.Helper()
			f := failureOf(t, err)
			if !errors.Is(err, client.ErrUnreachable) || errors.Is(err, client.ErrTimeout) || f.Outcome != client.NotSent {
				t.Errorf("%s: %v, %+v", name, err, f)
			}
			if want := "connect memory:" + f.Replica + ": connection refused"; f.Text != want {
				t.Errorf("%s: the text is %q, want %q", name, f.Text, want)
			}
		}
		stop(cluster, "r1", "r2", "r3")
		_, err := c.Put(t.Context(), []byte("k"), []byte("v"))
		check("put without a session", err)
		_, err = c.Get(t.Context(), []byte("k"))
		check("get", err)
		for i := range 3 {
			cluster.Replica([]string{"r1", "r2", "r3"}[i]).Start()
		}
		time.Sleep(time.Second)
		mustPut(t, c, "warm", "up")
		stop(cluster, "r1", "r2", "r3")
		_, err = c.Put(t.Context(), []byte("k"), []byte("v"))
		check("put", err)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the end of its time is not behind it: %v", err)
		}
		_, err = c.Put(t.Context(), []byte("k"), []byte("v"), client.At("r2"))
		check("put at r2", err)
		if n := cluster.Applies(); n != 1 {
			t.Errorf("%d updates executed, want 1", n)
		}
	})
}

// TestSomethingLeft: whatever happened afterwards, an attempt was handed to a socket.
func TestSomethingLeft(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, cluster *clienttest.Cluster, c *client.Client) {
		mustPut(t, c, "warm", "up")
		stop(cluster, "r2", "r3")
		one := cluster.Replica("r1")
		one.TreatAll(clienttest.Drop)
		dropped := make(chan error, 1)
		go func() {
			_, err := c.Put(t.Context(), []byte("k"), []byte("v"))
			dropped <- err
		}()
		synctest.Wait()
		one.Stop()
		if err := <-dropped; !errors.Is(err, client.ErrTimeout) || failureOf(t, err).Outcome != client.Unknown {
			t.Errorf("a lost answer, then nobody: %v", err)
		}
		one.Start()
		one.TreatAll(clienttest.Answer)
		time.Sleep(10 * time.Second)
		mustPut(t, c, "warm", "up")
		one.Refuse(protocol.CodeUnavailable, "no learner")
		_, err := c.Put(t.Context(), []byte("k"), []byte("v"))
		if f := failureOf(t, err); !errors.Is(err, client.ErrTimeout) || f.Outcome != client.NotSent {
			t.Errorf("refusals only: %v, %+v", err, f)
		}
	}, client.WithReplica("r1"))
}

// TestUnreachableOverTCP: the sentence is the same whatever the standard library puts around it.
func TestUnreachableOverTCP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	endpoint := client.Endpoint{Replica: "r1", Address: address}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = client.OpenOperator(ctx, endpoint) // it is never accepted
	want := "connect " + address + ": no answer in time"
	if f := failureOf(t, err); !errors.Is(err, client.ErrUnreachable) || f.Text != want {
		t.Errorf("a silent listener gave the operator %v", err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := client.Open(t.Context(), []client.Endpoint{endpoint}, client.WithTimeout(300*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Get(t.Context(), []byte("k"))
	want = "connect " + address + ": connection refused"
	if !errors.Is(err, client.ErrUnreachable) || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("a closed port gave %v", err)
	}
	if _, err = client.OpenOperator(t.Context(), endpoint); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("a closed port gave the operator %v", err)
	}
}
