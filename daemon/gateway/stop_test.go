package gateway

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"synod/core/kv"
	"synod/core/kv/memstore"
	"synod/core/paxos"
	"synod/protocol"
)

// TestAScanThatOutlivesTheGateway: the learner is stopped after the gateway, and may
// then get the answer to a read that waited for a majority for longer than a stop does.
func TestAScanThatOutlivesTheGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{})
		scan := protocol.Scan{Mode: protocol.Linearizable, Prefix: []byte("k")}
		b.write(scan.Append(nil, header(1, time.Minute)))
		if len(b.replica.reads) != 1 {
			t.Fatalf("the learner was handed reads %v", b.replica.reads)
		}
		b.stream.Session().Abort(errors.New("the test is over"))
		synctest.Wait()
		b.gateway.Close()
		b.gateway.Read([]paxos.ReadDone{{ID: b.replica.reads[0], Applied: b.slot}})
	})
}

// slowStore is a store whose scans wait until they are let go.
type slowStore struct {
	kv.Store
	scanning chan struct{}
}

func (s *slowStore) Snapshot() kv.Snapshot { return &slowSnapshot{s.Store.Snapshot(), s.scanning} }

type slowSnapshot struct {
	kv.Snapshot
	scanning chan struct{}
}

func (s *slowSnapshot) Ascend(lower, upper []byte, visit func(key, value []byte) bool) error {
	if len(lower) > 0 && lower[0] == 'd' { // of a client, not of the start
		<-s.scanning
	}
	return s.Snapshot.Ascend(lower, upper, visit)
}

// TestDetachWaitsForScans: the store may be closed when Detach has returned, so
// nobody may read it any more.
func TestDetachWaitsForScans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{})
		b.gateway.Detach()
		b.slot = 0
		store := &slowStore{memstore.New(1), make(chan struct{})}
		b.attach(store)
		scan := protocol.Scan{Mode: protocol.Stale, Prefix: []byte("k")}
		b.write(scan.Append(nil, header(1, time.Minute)))
		detached := make(chan struct{})
		go func() { b.gateway.Detach(); close(detached) }()
		b.pass(time.Second)
		select {
		case <-detached:
			t.Error("detached under a scan")
		default:
		}
		close(store.scanning)
		<-detached
	})
}

// TestAOneShotThatGetsNoSession is answered in its time, as not executed.
func TestAOneShotThatGetsNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{})
		b.gateway.Detach()
		b.slot = 0
		b.attach(memstore.New(1)) // it does not know the gateway's session
		m := protocol.OneShot{Key: []byte("k"), Value: []byte("v")}
		b.write(m.Append(nil, header(1, time.Second)))
		b.applyAll()
		b.wantError(1, protocol.CodeSessionExpired)
		b.write(m.Append(nil, header(2, time.Second)))
		b.pass(time.Second)
		b.wantError(2, protocol.CodeUnavailable)
	})
}
