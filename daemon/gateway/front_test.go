package gateway

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"synod/core/paxos"
	"synod/daemon/monitor"
	"synod/protocol"
)

// patience bounds what these tests wait for.
const patience = 20 * time.Second

// newDoor is a gateway that listens on loopback.
func newDoor(t *testing.T, limits Limits) (*Gateway, string) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	g := New(Options{
		Identity: protocol.Identity{Replica: 1, Replicas: 3, Cluster: paxos.ClusterID{7}}, Replica: &fakeReplica{},
		Limits: limits, Logger: logger, Requests: monitor.NewRequests(logger, "off"), Counters: &monitor.Counters{},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.Serve(l) }()
	t.Cleanup(func() {
		g.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return g, l.Addr().String()
}

// greet connects and exchanges prefaces.
func greet(t *testing.T, address string, p protocol.Preface) (net.Conn, error) {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	p.Low, p.High = protocol.VersionLow, protocol.VersionHigh
	_, err = protocol.Greet(c, p)
	return c, err
}

func TestTheDoorRefusesWithASentence(t *testing.T) {
	_, address := newDoor(t, Limits{})
	for name, c := range map[string]struct {
		preface protocol.Preface
		code    protocol.Code
		words   string
	}{
		"another cluster": {
			protocol.Preface{Connection: protocol.Client, Cluster: paxos.ClusterID{8}}, protocol.CodeDenied, "cluster",
		},
		"a replica": {
			protocol.Preface{Connection: protocol.PeerConsensus, Cluster: paxos.ClusterID{7}, Replica: 2},
			protocol.CodeDenied, "the one called peer",
		},
		"another one meant": {protocol.Preface{Connection: protocol.Client, To: 2}, protocol.CodeDenied, "this is r1"},
		"no operators":      {protocol.Preface{Connection: protocol.Operator}, protocol.CodeDenied, "operators"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := greet(t, address, c.preface)
			var refusal *protocol.Error
			if !errors.As(err, &refusal) || refusal.Code != c.code || !strings.Contains(refusal.Text, c.words) {
				t.Errorf("answered %v, want %s with %q", err, c.code, c.words)
			}
		})
	}
}

func TestTheDoorCountsConnections(t *testing.T) {
	g, address := newDoor(t, Limits{Connections: 2})
	client := protocol.Preface{Connection: protocol.Client}
	first, err := greet(t, address, client)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := greet(t, address, client); err != nil {
		t.Fatal(err)
	}
	var refusal *protocol.Error
	if _, err := greet(t, address, client); !errors.As(err, &refusal) || refusal.Code != protocol.CodeOverloaded {
		t.Errorf("the third connection: %v", err)
	}
	if g.Connections() != 2 {
		t.Errorf("%d connections are counted, want 2", g.Connections())
	}
	_ = first.Close()
	for end := time.Now().Add(patience); g.Connections() != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a closed connection is still counted")
		}
	}
	if _, err := greet(t, address, client); err != nil {
		t.Errorf("after one has left: %v", err)
	}
}

func TestAFloodOfHalfOpenConnectionsLeavesTheDoorOpen(t *testing.T) {
	g, address := newDoor(t, Limits{Connections: 4})
	for range refusingMax + 40 {
		c, err := net.DialTimeout("tcp", address, patience)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	last, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	// All places are taken by the silent ones; who comes now is cut at once.
	if err := last.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(last); errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if g.options.Counters.Refused.Load() == 0 {
		t.Error("nobody was refused")
	}
}
