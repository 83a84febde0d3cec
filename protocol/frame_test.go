package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func frameOf(n int) []byte {
	return AppendFrame(nil, &Frame{Kind: KindGot, Request: uint64(n), Body: bytes.Repeat([]byte{byte(n)}, n)})
}

func TestReaderGivesWhatWasWritten(t *testing.T) {
	sizes := []int{0, 1, 100, ReadBytes - HeaderBytes, ReadBytes - HeaderBytes + 1, 3, 5 * ReadBytes, 7, 1 << 20}
	var stream []byte
	for _, n := range sizes {
		stream = append(stream, frameOf(n)...)
	}
	for name, source := range map[string]io.Reader{
		"whole": bytes.NewReader(stream), "halves": iotest.HalfReader(bytes.NewReader(stream)),
		"bytes":           iotest.OneByteReader(bytes.NewReader(stream)),
		"error with data": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		r := NewReader(source, ClientFrameBytesMax)
		for _, n := range sizes {
			f, err := r.Next()
			if err != nil || f.Kind != KindGot || f.Request != uint64(n) ||
				!bytes.Equal(f.Body, bytes.Repeat([]byte{byte(n)}, n)) {
				t.Fatalf("%s: frame of %d bytes: %s, %d, %d bytes, %v", name, n, f.Kind, f.Request, len(f.Body), err)
			}
		}
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("%s: the end gave %v", name, err)
		}
	}
}

func TestFramesOfOneReadAreValidTogether(t *testing.T) {
	var stream []byte
	const frames = 100
	for n := range frames {
		stream = append(stream, frameOf(n)...)
	}
	r := NewReader(bytes.NewReader(stream), ClientFrameBytesMax)
	var got []Frame
	for first := true; first || r.Ready(); first = false {
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f)
	}
	if len(got) != frames {
		t.Fatalf("%d frames ready after one read, want %d", len(got), frames)
	}
	got[5].Own()
	for n, f := range got {
		if !bytes.Equal(f.Body, bytes.Repeat([]byte{byte(n)}, n)) {
			t.Errorf("frame %d was overwritten", n)
		}
	}
	clear(r.buffer)
	if !bytes.Equal(got[5].Body, bytes.Repeat([]byte{5}, 5)) {
		t.Error("an owned body still belongs to the reader")
	}
}

func TestBrokenFrames(t *testing.T) {
	whole := frameOf(50)
	flipped := func(at int) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 0x10
		return b
	}
	length := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	for _, test := range []struct {
		name  string
		bytes []byte
		want  error
		text  string
	}{
		{"zero", length(0), ErrFrameZero, "length 0"},
		{"short", length(HeaderBytes - lengthBytes - 1), ErrFrameShort, "length 19"},
		{"oversize", length(ClientFrameBytesMax - lengthBytes + 1), ErrFrameOversize, "length 2097149"},
		{"huge", length(1<<32 - 1), ErrFrameOversize, "length 4294967295"},
		{"http", []byte("GET / HTTP/1.1\r\n\r\n"), ErrFrameOversize, "length"},
		{"cut in the length", whole[:3], ErrFrameTruncated, "3 bytes"},
		{"cut in the header", whole[:20], ErrFrameTruncated, "20 bytes"},
		{"cut in the body", whole[:60], ErrFrameTruncated, "60 bytes"},
		{"kind", flipped(5), ErrFrameChecksum, "length 70"},
		{"request", flipped(10), ErrFrameChecksum, "length 70"},
		{"checksum", flipped(21), ErrFrameChecksum, "length 70"},
		{"body", flipped(60), ErrFrameChecksum, "length 70"},
	} {
		r := NewReader(bytes.NewReader(test.bytes), ClientFrameBytesMax)
		_, err := r.Next()
		var failure *FrameError
		if !errors.Is(err, test.want) || !errors.As(err, &failure) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v, want %v with %q", test.name, err, test.want, test.text)
		}
		if _, again := r.Next(); again == nil {
			t.Errorf("%s: the reader went on after its error", test.name)
		}
		if _, err := DecodeFrame(test.bytes, ClientFrameBytesMax); err == nil {
			t.Errorf("%s: accepted as datagram", test.name)
		}
		if test.want == ErrFrameTruncated && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v is no io.ErrUnexpectedEOF", test.name, err)
		}
	}
}

func TestFramesAreCutWhereTheyBegin(t *testing.T) {
	frames := AppendFrame(nil, &Frame{Kind: KindPing, Request: 1})
	short := len(frames)
	frames = AppendFrame(frames, &Frame{Kind: KindGet, Request: 2, Body: []byte("body")})
	first, rest := CutFrame(frames)
	second, none := CutFrame(rest)
	if len(first) != short || !bytes.Equal(append(bytes.Clone(first), second...), frames) || len(none) != 0 {
		t.Errorf("cut into % x, % x and % x", first, second, none)
	}
}

func TestAnnouncedLengthAllocatesNothing(t *testing.T) {
	announced := binary.BigEndian.AppendUint32(nil, PeerFrameBytesMax-lengthBytes)
	const readers = 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range readers {
		if _, err := NewReader(bytes.NewReader(announced), PeerFrameBytesMax).Next(); !errors.Is(err, ErrFrameTruncated) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / readers; n > 6*ReadBytes {
		t.Errorf("4 bytes that announce %d made a reader allocate %d", PeerFrameBytesMax, n)
	}
}

func TestReaderGivesUpWithoutProgress(t *testing.T) {
	if _, err := NewReader(stuck{}, 100).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a source that reads nothing gave %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestRemaining(t *testing.T) {
	for d, want := range map[time.Duration]uint32{-1: 1, 0: 1, time.Second: 1e6, 100 * time.Hour: 1<<32 - 1} {
		if got := RemainingOf(d); got != want {
			t.Errorf("%s is %d µs, want %d", d, got, want)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	var stream []byte
	for range 500 {
		stream = append(stream, frameOf(100)...)
	}
	source := bytes.NewReader(nil)
	r := NewReader(source, ClientFrameBytesMax)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%500 == 0 {
			source.Reset(stream)
		}
		if _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}
