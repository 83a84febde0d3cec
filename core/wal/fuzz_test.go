package wal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"
)

// FuzzOpen gives Open a log of one segment with any content. It must not panic or replay what does not check; what it
// replays once it must replay again, from the segment it went on in. With mend the sums of headers are made right
// first, so that the fuzzer gets behind them.
func FuzzOpen(f *testing.F) {
	first := segmentName(1)
	for _, clean := range []bool{true, false} {
		e := makeExample(f, 2, clean)
		f.Add(e.files[first][segmentHeadBytes:], false)
		torn := slices.Clone(e.files[first][segmentHeadBytes:])
		clear(torn[300:500])
		f.Add(torn, true)
	}
	f.Fuzz(func(t *testing.T, body []byte, mend bool) {
		if len(body) > 1<<16 {
			t.Skip("more bytes teach nothing")
		}
		data := make([]byte, segmentHeadBytes, segmentHeadBytes+len(body))
		head := segmentHead{
			segment: 1, bytes: int64(segmentHeadBytes + len(body)), identity: testIdentity, oldest: 1,
		}
		chain := head.encode(data)
		data = append(data, body...)
		if mend {
			mendBatches(data, chain)
		}
		fs := image{first: data}.fs(t)
		log, all, err := replayAll(testOptions(fs))
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("refused, but not as damaged: %v", err)
			}
			return
		}
		for _, p := range all {
			if got, err := log.ReadAt(p.at, nil); err != nil || string(got) != p.payload {
				t.Fatalf("read of replayed record at %v: %q, %v", p.at, got, err)
			}
		}
		log.Abandon()
		_, again, err := replayAll(testOptions(fs))
		if err != nil || !slices.Equal(payloads(again), payloads(all)) {
			t.Fatalf("replayed %q first and then %q, %v", payloads(all), payloads(again), err)
		}
	})
}

func payloads(all []placed) []string {
	var s []string
	for _, p := range all {
		s = append(s, p.payload)
	}
	return s
}

// mendBatches makes place, chain and sums of everything right that has the shape of a batch.
func mendBatches(data []byte, chain uint32) {
	le := binary.LittleEndian
	for at := segmentHeadBytes; at+batchHeadBytes <= len(data); {
		head := data[at : at+batchHeadBytes]
		head[4] = head[4]%kindSealed + 1
		length := int(le.Uint32(head[8:])) % (len(data) - at - batchHeadBytes + 1) &^ (alignBytes - 1)
		le.PutUint32(head[8:], uint32(length))
		le.PutUint64(head[16:], 1)
		le.PutUint64(head[24:], uint64(at))
		le.PutUint64(head[32:], segmentHeadBytes+le.Uint64(head[32:])%uint64(at-segmentHeadBytes+1))
		le.PutUint32(head[40:], chain)
		body := data[at+batchHeadBytes:][:length]
		count, digest := mendRecords(body, head[4], Position{1, int64(at + batchHeadBytes)})
		le.PutUint32(head[12:], count)
		le.PutUint32(head[44:], digest)
		chain = crc32.Checksum(head[4:], castagnoli)
		le.PutUint32(head, chain)
		at += batchHeadBytes + length
	}
}

func mendRecords(body []byte, kind byte, at Position) (count, digest uint32) {
	le := binary.LittleEndian
	for ; len(body) > 0; count++ {
		length := int(le.Uint32(body[4:])) % (len(body) - recordHeadBytes + 1)
		le.PutUint32(body[4:], uint32(length))
		whole := body[:recordBytes(length)]
		le.PutUint32(whole, recordSum(kind, at, whole[4:]))
		digest = crc32.Update(digest, castagnoli, whole[:recordHeadBytes])
		at.Offset += int64(len(whole))
		body = body[len(whole):]
	}
	return count, digest
}
