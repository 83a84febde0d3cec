package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

const (
	magic            = "SYNODWAL"
	formatVersion    = 1
	segmentHeadBytes = 128
	batchHeadBytes   = 48
	recordHeadBytes  = 8
	alignBytes       = 8

	// reserveBytes at the end of every segment keep room for a closing and a sealing batch.
	reserveBytes = 2 * batchHeadBytes

	// BatchBytesMax limits one batch, headers included. A batch this large gets a segment of its own.
	BatchBytesMax = 256 << 20
)

// The kinds of a batch. A record's sum covers the kind of its batch.
const (
	kindRecords = 1
	kindMark    = 2
	kindSealed  = 3
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Identity says whose log this is. It stands in every segment and is compared at Open.
type Identity struct {
	Cluster     [16]byte // the cluster's id, drawn once when the cluster is initialised
	Replica     uint8    // the replica's number in the cluster
	Incarnation uint64   // grows each time the acceptor lost its memory and recovered
}

// String prints the identity for error texts.
func (i Identity) String() string {
	return fmt.Sprintf("cluster %x replica %d incarnation %d", i.Cluster, i.Replica, i.Incarnation)
}

// segmentHead is the decoded header of a segment. Its sum is the chain value of the segment's first batch.
type segmentHead struct {
	segment  uint64
	bytes    int64
	identity Identity
	previous uint64
	end      int64
	chain    uint32
	oldest   uint64
}

// encode writes the header into the first segmentHeadBytes of dst and returns its sum.
func (h *segmentHead) encode(dst []byte) uint32 {
	dst = dst[:segmentHeadBytes]
	clear(dst)
	copy(dst, magic)
	le := binary.LittleEndian
	le.PutUint32(dst[8:], formatVersion)
	le.PutUint64(dst[16:], h.segment)
	le.PutUint64(dst[24:], uint64(h.bytes))
	copy(dst[32:48], h.identity.Cluster[:])
	le.PutUint64(dst[48:], h.identity.Incarnation)
	dst[56] = h.identity.Replica
	le.PutUint64(dst[64:], h.previous)
	le.PutUint64(dst[72:], uint64(h.end))
	le.PutUint32(dst[80:], h.chain)
	le.PutUint64(dst[88:], h.oldest)
	sum := segmentHeadSum(dst)
	le.PutUint32(dst[12:], sum)
	return sum
}

func segmentHeadSum(head []byte) uint32 {
	return crc32.Update(crc32.Checksum(head[:12], castagnoli), castagnoli, head[16:segmentHeadBytes])
}

// decodeSegmentHead reads a header whose magic, version and sum the caller has checked.
func decodeSegmentHead(src []byte) segmentHead {
	le := binary.LittleEndian
	h := segmentHead{
		segment:  le.Uint64(src[16:]),
		bytes:    int64(le.Uint64(src[24:])),
		previous: le.Uint64(src[64:]),
		end:      int64(le.Uint64(src[72:])),
		chain:    le.Uint32(src[80:]),
		oldest:   le.Uint64(src[88:]),
	}
	copy(h.identity.Cluster[:], src[32:48])
	h.identity.Incarnation = le.Uint64(src[48:])
	h.identity.Replica = src[56]
	return h
}

// batchHead is the decoded header of a batch.
type batchHead struct {
	sum     uint32
	kind    byte
	length  int64
	count   int
	segment uint64
	offset  int64
	durable int64
	chain   uint32
	digest  uint32
}

// encode writes the header into the first batchHeadBytes of dst and keeps its sum.
func (h *batchHead) encode(dst []byte) {
	dst = dst[:batchHeadBytes]
	clear(dst)
	le := binary.LittleEndian
	dst[4] = h.kind
	le.PutUint32(dst[8:], uint32(h.length))
	le.PutUint32(dst[12:], uint32(h.count))
	le.PutUint64(dst[16:], h.segment)
	le.PutUint64(dst[24:], uint64(h.offset))
	le.PutUint64(dst[32:], uint64(h.durable))
	le.PutUint32(dst[40:], h.chain)
	le.PutUint32(dst[44:], h.digest)
	h.sum = crc32.Checksum(dst[4:], castagnoli)
	le.PutUint32(dst, h.sum)
}

// decodeBatchHead reads a header and reports whether it is one, for this place: everything but the chain is checked.
func decodeBatchHead(src []byte, at Position) (batchHead, bool) {
	le := binary.LittleEndian
	h := batchHead{
		sum:     le.Uint32(src),
		kind:    src[4],
		length:  int64(le.Uint32(src[8:])),
		count:   int(le.Uint32(src[12:])),
		segment: le.Uint64(src[16:]),
		offset:  int64(le.Uint64(src[24:])),
		durable: int64(le.Uint64(src[32:])),
		chain:   le.Uint32(src[40:]),
		digest:  le.Uint32(src[44:]),
	}
	// The cheap comparisons come first: the search behind damage tries every eighth byte of a segment.
	ok := h.segment == at.Segment && h.offset == at.Offset &&
		h.kind >= kindRecords && h.kind <= kindSealed &&
		h.durable >= segmentHeadBytes && h.durable <= h.offset &&
		h.length%alignBytes == 0 && (h.length > 0) == (h.kind == kindRecords) &&
		h.sum == crc32.Checksum(src[4:batchHeadBytes], castagnoli)
	return h, ok
}

// recordBytes is what a payload takes in a batch.
func recordBytes(payload int) int64 {
	return (recordHeadBytes + int64(payload) + alignBytes - 1) &^ (alignBytes - 1)
}

// batchBytes is what records take as one batch, or more than BatchBytesMax if that is too much.
func batchBytes(records [][]byte) int64 {
	total := int64(batchHeadBytes)
	for _, record := range records {
		total += recordBytes(len(record))
		if total > BatchBytesMax {
			return math.MaxInt64
		}
	}
	return total
}

// appendBatch appends the bytes of one batch to dst. Of head it takes kind, segment, offset, durable and chain, and
// fills in the rest. It allocates nothing when dst has room.
func appendBatch(dst []byte, head *batchHead, records [][]byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, batchHeadBytes)...)
	head.digest = 0
	for _, record := range records {
		at := len(dst)
		place := Position{head.segment, head.offset + int64(at-start)}
		dst = binary.LittleEndian.AppendUint64(dst, uint64(len(record))<<32)
		dst = append(dst, record...)
		for len(dst)%alignBytes != start%alignBytes {
			dst = append(dst, 0)
		}
		sum := recordSum(head.kind, place, dst[at+4:])
		binary.LittleEndian.PutUint32(dst[at:], sum)
		head.digest = crc32.Update(head.digest, castagnoli, dst[at:at+recordHeadBytes])
	}
	head.count = len(records)
	head.length = int64(len(dst) - start - batchHeadBytes)
	head.encode(dst[start:])
	return dst
}

// recordSum is the sum of one record; rest is its bytes from the length on, with the filling.
func recordSum(kind byte, at Position, rest []byte) uint32 {
	sum := ^(castagnoli[0xff^kind] ^ math.MaxUint32>>8)
	sum = sumUint64(sum, at.Segment)
	sum = sumUint64(sum, uint64(at.Offset))
	return crc32.Update(sum, castagnoli, rest)
}

// sumUint64 is crc32.Update for the eight bytes of v. Through a slice they would move to the heap, at every record.
func sumUint64(sum uint32, v uint64) uint32 {
	sum = ^sum
	for range 8 {
		sum = castagnoli[byte(sum)^byte(v)] ^ sum>>8
		v >>= 8
	}
	return ^sum
}

// splitRecord takes the first record off a batch's bytes: its payload, its whole bytes and whether it checks.
func splitRecord(kind byte, at Position, src []byte) (payload, whole []byte, ok bool) {
	if len(src) < recordHeadBytes {
		return nil, nil, false
	}
	length := int64(binary.LittleEndian.Uint32(src[4:]))
	if length > BatchBytesMax || recordBytes(int(length)) > int64(len(src)) {
		return nil, nil, false
	}
	whole = src[:recordBytes(int(length))]
	if recordSum(kind, at, whole[4:]) != binary.LittleEndian.Uint32(whole) {
		return nil, nil, false
	}
	return whole[recordHeadBytes : recordHeadBytes+length], whole, true
}
