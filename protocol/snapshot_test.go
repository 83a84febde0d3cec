package protocol

import "testing"

func snapshotVectors() []vector {
	ask := SnapshotAsk{Copy: 0x1234, AtLeast: 900, Offset: 512}
	chunk := SnapshotChunk{
		Copy: 0x1234, Slot: 1000, ManifestBytes: 200, Bytes: 5000, Offset: 512, Data: []byte("bytes"), Reason: "",
	}
	condition := Condition{Run: 9, Sequence: 300, Whole: true, Durable: 4000, Want: 5, Grants: []uint64{0, 7, 0}}
	return []vector{
		{"Condition", condition, condition.Append, inBody(DecodeCondition)},
		{"SnapshotAsk", ask, ask.Append, inBody(DecodeSnapshotAsk)},
		{"SnapshotChunk", chunk, chunk.Append, inBody(DecodeSnapshotChunk)},
	}
}

// FuzzSnapshot decodes what replicas send each other beside the messages of the roles.
func FuzzSnapshot(f *testing.F) {
	fuzzBodies(f, snapshotVectors(), func(frame Frame) (func() []byte, error) {
		if frame.Kind == KindCondition {
			m, err := DecodeCondition(frame.Body)
			return func() []byte { return m.Append(nil) }, err
		}
		if frame.Kind == KindSnapshotAsk {
			m, err := DecodeSnapshotAsk(frame.Body)
			return func() []byte { return m.Append(nil) }, err
		}
		m, err := DecodeSnapshotChunk(frame.Body)
		return func() []byte { return m.Append(nil) }, err
	})
}

// A chunk that lies outside of what it announces is malformed.
func TestChunkWithinItsBounds(t *testing.T) {
	for _, m := range []SnapshotChunk{
		{Bytes: 10, Offset: 11},
		{Bytes: 10, Offset: 6, Data: []byte("bytes")},
		{Bytes: 10, ManifestBytes: 11},
		{Bytes: 1 << 63, Offset: 1, Data: make([]byte, BulkChunkBytesMax+1)},
	} {
		f, err := DecodeFrame(m.Append(nil), PeerFrameBytesMax)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeSnapshotChunk(f.Body); err == nil {
			t.Errorf("%d bytes at %d of %d are taken", len(m.Data), m.Offset, m.Bytes)
		}
	}
}
