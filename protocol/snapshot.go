package protocol

import "encoding/binary"

// SnapshotAsk asks another replica for the next bytes of a copy of its state. The
// first ask, with Copy 0, has one made.
type SnapshotAsk struct {
	// Copy is the copy that the asker has begun to take, 0 if none.
	Copy uint64
	// AtLeast is the slot that a copy must have reached to be of use.
	AtLeast uint64
	// Offset is that of the next byte wanted.
	Offset uint64
}

// SnapshotChunk answers [SnapshotAsk]: bytes of a copy, which are its manifest and
// then its files, one after the other. A chunk with a Reason has none: the copy is
// not ready yet, or cannot be made; ask again later.
type SnapshotChunk struct {
	// Copy names the copy, as long as this replica's process lives. Another one
	// than the asker named means that his is gone: he begins anew.
	Copy uint64
	// Slot is the applied slot of the copy.
	Slot uint64
	// ManifestBytes of the first bytes are the manifest, Bytes are all.
	ManifestBytes uint32
	Bytes         uint64
	Offset        uint64
	Data          []byte // at most BulkChunkBytesMax
	Reason        string
}

// Append appends the whole frame.
func (m *SnapshotAsk) Append(dst []byte) []byte {
	dst, at := BeginFrame(dst)
	for _, n := range [...]uint64{m.Copy, m.AtLeast, m.Offset} {
		dst = binary.AppendUvarint(dst, n)
	}
	return EndFrame(dst, at, Frame{Kind: KindSnapshotAsk})
}

// DecodeSnapshotAsk reads the body of a KindSnapshotAsk frame.
func DecodeSnapshotAsk(body []byte) (SnapshotAsk, error) {
	d := decoder{rest: body}
	m := SnapshotAsk{Copy: d.uvarint(), AtLeast: d.uvarint(), Offset: d.uvarint()}
	return m, d.done(KindSnapshotAsk)
}

// Append appends the whole frame.
func (m *SnapshotChunk) Append(dst []byte) []byte {
	dst, at := BeginFrame(dst)
	for _, n := range [...]uint64{m.Copy, m.Slot, uint64(m.ManifestBytes), m.Bytes, m.Offset} {
		dst = binary.AppendUvarint(dst, n)
	}
	dst = appendBytes(appendBytes(dst, m.Data), m.Reason)
	return EndFrame(dst, at, Frame{Kind: KindSnapshotChunk})
}

// DecodeSnapshotChunk reads the body of a KindSnapshotChunk frame. Data is a slice
// of it.
func DecodeSnapshotChunk(body []byte) (SnapshotChunk, error) {
	d := decoder{rest: body}
	m := SnapshotChunk{
		Copy: d.uvarint(), Slot: d.uvarint(), ManifestBytes: d.uvarint32(), Bytes: d.uvarint(), Offset: d.uvarint(),
		Data: d.bytes(BulkChunkBytesMax), Reason: string(d.bytes(SentenceBytesMax)),
	}
	if m.Offset > m.Bytes || uint64(len(m.Data)) > m.Bytes-m.Offset || uint64(m.ManifestBytes) > m.Bytes {
		d.fail("%d bytes at %d of %d", len(m.Data), m.Offset, m.Bytes)
	}
	return m, d.done(KindSnapshotChunk)
}
