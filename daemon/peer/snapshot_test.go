package peer

import (
	"testing"
	"time"

	"synod/core/paxos"
	"synod/daemon/fault"
	"synod/protocol"
)

// Chunks of a copy come on the connection for bulk, each as the answer to its ask, in both directions.
func TestSnapshotChunks(t *testing.T) {
	w := newNetwork(t, 2)
	a, b := w.start(1, nil), w.start(2, nil)
	a.connected(1)
	b.connected(1)
	for i, n := range []*node{a, b} {
		self, other := paxos.ReplicaID(1+i), paxos.ReplicaID(2-i)
		for offset := range uint64(5) {
			n.links.AskSnapshot(other, protocol.SnapshotAsk{Copy: 10 * offset, Offset: offset})
			select {
			case c := <-n.chunks:
				whole := len(c.Data) == protocol.BulkChunkBytesMax && c.Data[9] == byte(self)
				if c.Copy != 10*offset+1 || c.Offset != offset || !whole {
					t.Errorf("%s asked at %d: %d bytes of copy %d at %d", self, offset, len(c.Data), c.Copy, c.Offset)
				}
			case <-time.After(patience):
				t.Fatalf("no answer; log:\n%s", n.text())
			}
		}
	}
}

// A link that is broken on purpose breaks copies as everything else: asks and chunks, at both ends.
func TestFaultsOfALinkHinderSnapshots(t *testing.T) {
	for name, breaks := range map[string]func(asker, giver *node) (at *node){
		"asks cut at the sender": func(asker, _ *node) *node {
			asker.harm(fault.Link{Peer: 2, Direction: fault.Out, Cut: true})
			return asker
		},
		"asks cut at the receiver": func(_, giver *node) *node {
			giver.harm(fault.Link{Peer: 1, Direction: fault.In, Cut: true})
			return giver
		},
		"chunks cut at the sender": func(_, giver *node) *node {
			giver.harm(fault.Link{Peer: 1, Direction: fault.Out, Cut: true})
			return giver
		},
		"chunks cut at the receiver": func(asker, _ *node) *node {
			asker.harm(fault.Link{Peer: 2, Direction: fault.In, Cut: true})
			return asker
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork(t, 2)
			a, b := w.start(1, nil), w.start(2, nil)
			a.connected(1)
			b.connected(1)
			at := breaks(a, b)
			a.links.AskSnapshot(2, protocol.SnapshotAsk{Offset: 1})
			at.until("the count", func() bool { return at.count.FaultLost.Load() == 1 })
			if len(a.chunks) != 0 {
				t.Error("a chunk passed")
			}
			at.mend()
			const late = 30 * time.Millisecond
			a.harm(fault.Link{Peer: 2, Direction: fault.Both, Delay: late})
			begin := time.Now()
			a.links.AskSnapshot(2, protocol.SnapshotAsk{Offset: 2})
			select {
			case c := <-a.chunks:
				if c.Offset != 2 || len(c.Data) != protocol.BulkChunkBytesMax || c.Data[9] != 1 {
					t.Errorf("%d bytes at %d", len(c.Data), c.Offset)
				}
			case <-time.After(patience):
				t.Fatalf("no answer; log:\n%s", a.text())
			}
			if took := time.Since(begin); took < 2*late {
				t.Errorf("asked and answered in %v, each way is %v slow", took, late)
			}
		})
	}
}
