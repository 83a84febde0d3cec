package protocol

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"synod/core/paxos"
)

// seed adds the golden files of the vectors.
func seed(f *testing.F, vectors []vector) {
	for _, v := range vectors {
		f.Add(readGolden(f, v.name))
	}
}

// FuzzReader reads a stream of anything: whatever is accepted is coded as it
// came.
func FuzzReader(f *testing.F) {
	seed(f, allVectors())
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := NewReader(bytes.NewReader(stream), 1<<16)
		for at := 0; ; {
			frame, err := r.Next()
			if err != nil {
				return
			}
			raw := AppendFrame(nil, &frame)
			if !bytes.HasPrefix(stream[at:], raw) {
				t.Fatalf("at %d: read % x", at, raw)
			}
			at += len(raw)
		}
	})
}

// FuzzPreface decodes prefaces and their answers.
func FuzzPreface(f *testing.F) {
	seed(f, prefaceVectors())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if p, err := DecodePreface(raw); err == nil {
			again, err := DecodePreface(p.Append(nil))
			if err != nil || again != p {
				t.Fatalf("%+v became %+v, %v", p, again, err)
			}
			_ = p.Refusal(testIdentity())
		}
		if w, err := DecodeWelcome(raw); err == nil {
			again, err := DecodeWelcome(w.Append(nil))
			if err != nil || !reflect.DeepEqual(again, w) {
				t.Fatalf("%+v became %+v, %v", w, again, err)
			}
		}
	})
}

// fuzzBodies feeds the body of any kind to decode; what is accepted must keep
// its meaning and have one coded form.
func fuzzBodies(f *testing.F, vectors []vector, decode func(Frame) (encode func() []byte, err error)) {
	for _, v := range vectors {
		frame, err := DecodeFrame(readGolden(f, v.name), PeerFrameBytesMax)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint16(frame.Kind), frame.Body)
	}
	f.Fuzz(func(t *testing.T, kind uint16, body []byte) {
		encode, err := decode(Frame{Kind: Kind(kind), Request: 5, Body: body})
		if err != nil {
			return
		}
		first := encode()
		frame, err := DecodeFrame(first, PeerFrameBytesMax)
		if err != nil {
			t.Fatal(err)
		}
		encode, err = decode(frame)
		if err != nil {
			t.Fatalf("%s: what was coded cannot be read: %v", frame.Kind, err)
		}
		if second := encode(); !bytes.Equal(first, second) {
			t.Fatalf("%s: coded as\n% x, and then as\n% x", frame.Kind, first, second)
		}
	})
}

// FuzzEnvelope decodes messages between replicas.
func FuzzEnvelope(f *testing.F) {
	fuzzBodies(f, peerVectors(), func(frame Frame) (func() []byte, error) {
		e, err := DecodeEnvelope(frame)
		return func() []byte { return AppendEnvelope(nil, &e) }, err
	})
}

// FuzzClient decodes what clients send and get.
func FuzzClient(f *testing.F) {
	fuzzBodies(f, clientVectors(), decodeClient)
}

func decodeClient(f Frame) (func() []byte, error) {
	header := Frame{Request: f.Request}
	var encode func([]byte) []byte
	var err error
	switch f.Kind {
	case KindOpenSession:
		var m OpenSession
		m, err = DecodeOpenSession(f.Body)
		encode = func(dst []byte) []byte { return m.Append(dst, header) }
	case KindOneShot:
		var m OneShot
		m, err = DecodeOneShot(f.Body)
		encode = func(dst []byte) []byte { return m.Append(dst, header) }
	case KindGet:
		var m Get
		m, err = DecodeGet(f.Body)
		encode = func(dst []byte) []byte { return m.Append(dst, header) }
	case KindScan:
		var m Scan
		m, err = DecodeScan(f.Body)
		encode = func(dst []byte) []byte { return m.Append(dst, header) }
	case KindSessionOpened:
		var m SessionOpened
		m, err = DecodeSessionOpened(f.Body)
		encode = func(dst []byte) []byte { return m.Append(dst, f.Request) }
	case KindUpdated:
		var m Updated
		m, err = DecodeUpdated(f.Body)
		encode = func(dst []byte) []byte { return m.Append(dst, f.Request) }
	case KindGot:
		var m Got
		m, err = DecodeGot(f.Body)
		encode = func(dst []byte) []byte { return m.Append(dst, f.Request) }
	case KindScanned:
		var m Scanned
		m, err = DecodeScanned(f.Body)
		encode = func(dst []byte) []byte { return m.Append(dst, f.Request) }
	case KindError:
		var m *Error
		m, err = DecodeError(f.Body)
		encode = func(dst []byte) []byte { return m.Append(dst, f.Request) }
	default:
		err = ErrMalformed
	}
	return func() []byte { return encode(nil) }, err
}

// FuzzOperator decodes the JSON of operators.
func FuzzOperator(f *testing.F) {
	fuzzBodies(f, operatorVectors(), decodeOperator)
}

func decodeOperator(f Frame) (func() []byte, error) {
	switch f.Kind {
	case KindHello:
		return encodeOperator[Hello](f)
	case KindHelloAnswer:
		return encodeOperator[HelloAnswer](f)
	case KindStatusSubscribe:
		return encodeOperator[StatusSubscribe](f)
	case KindStatus:
		return encodeOperator[Status](f)
	case KindRole:
		return encodeOperator[RoleControl](f)
	case KindChaos:
		return encodeOperator[ChaosControl](f)
	case KindDone:
		return encodeOperator[Done](f)
	case KindLogSubscribe:
		return encodeOperator[LogSubscribe](f)
	case KindLogLines:
		return encodeOperator[LogLines](f)
	case KindLink:
		return encodeOperator[LinkControl](f)
	case KindFaultClear:
		return encodeOperator[FaultClear](f)
	}
	return decodeInsight(f)
}

func decodeInsight(f Frame) (func() []byte, error) {
	switch f.Kind {
	case KindSlotsQuery:
		return encodeOperator[SlotsQuery](f)
	case KindSlots:
		return encodeOperator[Slots](f)
	case KindBallotsQuery:
		return encodeOperator[BallotsQuery](f)
	case KindBallots:
		return encodeOperator[Ballots](f)
	case KindDigestQuery:
		return encodeOperator[DigestQuery](f)
	case KindDigest:
		return encodeOperator[Digest](f)
	}
	return nil, ErrMalformed
}

func encodeOperator[M OperatorMessage](f Frame) (func() []byte, error) {
	m, err := DecodeJSON[M](f)
	if err == nil {
		// A few times that JSON can name have no JSON form of Go's.
		_, err = json.Marshal(m)
	}
	return func() []byte {
		raw, err := AppendJSON(nil, f.Request, m)
		if err != nil {
			panic(err)
		}
		return raw
	}, err
}

// TestAllocationIsBounded gives decoders counts that promise more than is there.
func TestAllocationIsBounded(t *testing.T) {
	for _, v := range peerVectors() {
		e := v.message.(paxos.Envelope)
		raw := AppendEnvelope(nil, &e)
		f, err := DecodeFrame(raw, PeerFrameBytesMax)
		if err != nil {
			t.Fatal(err)
		}
		for at := 20; at < len(f.Body); at++ {
			body := append(bytes.Clone(f.Body[:at]), 0xff, 0xff, 0xff, 0xff, 0x0f) // 2^32-1 as a uvarint
			if allocated := testing.AllocsPerRun(1, func() {
				_, _ = DecodeEnvelope(Frame{Kind: f.Kind, Body: body}) // an error or not, it must be cheap
			}); allocated > 40 {
				t.Errorf("%s: %v allocations for %d bytes", v.name, allocated, len(body))
			}
		}
	}
}
