package peer

import (
	"testing"
	"time"

	"synod/core/paxos"
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
