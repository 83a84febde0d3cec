package protocol

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"synod/core/paxos"
	"synod/core/session"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/*.hex anew from what the encoders give")

// vector is one coded message of the golden files.
type vector struct {
	name    string
	message any
	encode  func(dst []byte) []byte
	decode  func(raw []byte) (any, error)
}

func goldenCluster() (id paxos.ClusterID) {
	for i := range id {
		id[i] = byte(0xa0 + i)
	}
	return id
}

func inFrame[M any](decode func(Frame) (M, error)) func([]byte) (any, error) {
	return func(raw []byte) (any, error) {
		f, err := DecodeFrame(raw, PeerFrameBytesMax)
		if err != nil {
			return nil, err
		}
		return decode(f)
	}
}

func inBody[M any](decode func([]byte) (M, error)) func([]byte) (any, error) {
	return inFrame(func(f Frame) (M, error) { return decode(f.Body) })
}

func peerVectors() []vector {
	ballot := paxos.Ballot{Round: 300, Replica: 4, Run: 0x0123456789abcdef}
	older := paxos.Ballot{Round: 7, Replica: 1, Run: 1 << 63}
	incarnations := paxos.Vector{1, 1, 2, 1, 300}
	entries := []paxos.Entry{
		{Slot: 9, Ballot: older}, {Slot: 10, Ballot: ballot, Value: paxos.AppendBatch(nil, 1000, [][]byte{{3, 1}})},
	}
	round := paxos.ReadRound{Run: 0xfeed, Counter: 200}
	nonce := paxos.Nonce{Run: [16]byte{1, 2, 3, 15: 16}, Attempt: 200}
	messages := []paxos.Message{
		&paxos.Forward{Commands: [][]byte{[]byte("one"), []byte("two")}, Relayed: true},
		&paxos.Canvass{Attempt: 3},
		&paxos.CanvassReply{Attempt: 3, Granted: true, Leader: ballot, Highest: 301, Applied: 9},
		&paxos.Heartbeat{Ballot: ballot, Sequence: 4, First: 5, Chosen: 900},
		&paxos.HeartbeatReply{Ballot: ballot, Sequence: 4, Applied: 899},
		&paxos.Prepare{Ballot: ballot, From: 10},
		&paxos.Promise{
			Ballot: ballot, From: 9, Vector: incarnations, Floor: 2, Chosen: 8, Part: 1, Parts: 2, Entries: entries,
		},
		&paxos.Nack{Ballot: older, Promised: ballot},
		&paxos.Accept{Ballot: ballot, Slot: 10, Value: entries[1].Value},
		&paxos.Accepted{Ballot: ballot, First: 10, Last: 12, Vector: incarnations, Chosen: 9},
		&paxos.Close{First: 10, Last: 13, Stuck: true},
		&paxos.ReadQuery{Round: round},
		&paxos.ReadAnswer{Round: round, Highest: 12},
		&paxos.Fetch{First: 1, Last: 20, BytesMax: 65536},
		&paxos.Held{
			First: 1, Through: 20, Highest: 21, Entries: entries,
			Runs: []paxos.ChosenRun{{Ballot: older, First: 1, Last: 9}}, Floor: 3,
		},
		&paxos.Refusing{Reason: "the log is damaged"},
		&paxos.BelowFloor{Ballot: ballot, Floor: 300},
		&paxos.RecoverQuery{Nonce: nonce},
		&paxos.RecoverInfo{Nonce: nonce, Known: 2},
		&paxos.Recover{Nonce: nonce, Incarnation: 3, From: 200},
		&paxos.RecoverState{
			Nonce: nonce, Incarnation: 3, Vector: incarnations, Promised: ballot, Floor: 8, From: 9, Through: 10,
			Last: true, Entries: entries,
		},
		&paxos.Recovering{Nonce: nonce},
		&paxos.Revived{Vector: incarnations, Promised: ballot, Highest: 900},
		&paxos.Remembered{Incarnation: 300, Promised: older, Highest: 901},
	}
	vectors := make([]vector, 0, len(messages))
	for _, m := range messages {
		e := paxos.Envelope{
			Cluster: goldenCluster(), From: paxos.Address{Replica: 4, Roles: paxos.RoleProposer}, Incarnation: 300,
			To:      paxos.Address{Replica: paxos.Everyone, Roles: paxos.RoleAcceptor | paxos.RoleLearner},
			Message: m,
		}
		vectors = append(vectors, vector{
			name: m.Kind().String(), message: e,
			encode: func(dst []byte) []byte { return AppendEnvelope(dst, &e) },
			decode: inFrame(DecodeEnvelope),
		})
	}
	return vectors
}

func clientVectors() []vector {
	header := Frame{Request: 0x0000000700000102, Remaining: 2_000_000}
	token := session.Token{1, 2, 3, 15: 16}
	open := OpenSession{Token: token}
	shot := OneShot{Key: []byte("color"), Value: []byte("green")}
	get := Get{Mode: Stale, Key: []byte("color")}
	scan := Scan{Prefix: []byte("co"), After: []byte("color"), Entries: 100, Bytes: 65536, Values: true}
	opened := SessionOpened{Session: session.ID{Slot: 300, Index: 2}}
	updated := Updated{Slot: 301, Revision: 77, Applied: 302, Repeated: true}
	got := Got{Found: true, Revision: 77, Applied: 302, Value: []byte("green")}
	scanned := Scanned{Applied: 302, More: true, Entries: []ScanEntry{{77, []byte("color"), []byte("green")}}}
	failure := Refuse(CodeNoQuorum, 3, "2 of 5 acceptors heard")
	update := []byte{2, 0xac, 0x02, 2, 1, 0, 5, 'c', 'o', 'l', 'o', 'r'} // a delete, as core/kv codes it
	control := func(kind Kind, body []byte) vector {
		f := Frame{Kind: kind, Request: 5, Body: body}
		return vector{
			kind.String(), f, func(dst []byte) []byte { return AppendFrame(dst, &f) },
			inFrame(func(f Frame) (Frame, error) { return f, nil }),
		}
	}
	return []vector{
		control(KindPing, []byte{}), control(KindPong, []byte{}), control(KindLeaving, []byte{}),
		control(KindStream, []byte{byte(PurposeRequests)}),
		{
			"Update", update, func(dst []byte) []byte { return AppendUpdate(dst, header, update) },
			inFrame(func(f Frame) ([]byte, error) { return f.Body, nil }),
		},
		{"OpenSession", open, func(dst []byte) []byte { return open.Append(dst, header) }, inBody(DecodeOpenSession)},
		{"OneShot", shot, func(dst []byte) []byte { return shot.Append(dst, header) }, inBody(DecodeOneShot)},
		{"Get", get, func(dst []byte) []byte { return get.Append(dst, header) }, inBody(DecodeGet)},
		{"Scan", scan, func(dst []byte) []byte { return scan.Append(dst, header) }, inBody(DecodeScan)},
		{"SessionOpened", opened, func(dst []byte) []byte { return opened.Append(dst, 5) }, inBody(DecodeSessionOpened)},
		{"Updated", updated, func(dst []byte) []byte { return updated.Append(dst, 5) }, inBody(DecodeUpdated)},
		{"Got", got, func(dst []byte) []byte { return got.Append(dst, 5) }, inBody(DecodeGot)},
		{"Scanned", scanned, func(dst []byte) []byte { return scanned.Append(dst, 5) }, inBody(DecodeScanned)},
		{"Error", failure, func(dst []byte) []byte { return failure.Append(dst, 5) }, inBody(DecodeError)},
	}
}

func operatorVector[M OperatorMessage](message *M) vector {
	return vector{
		kindOf(message).String(), message,
		func(dst []byte) []byte {
			dst, err := AppendJSON(dst, 5, message)
			if err != nil {
				panic(err)
			}
			return dst
		},
		inFrame(DecodeJSON[M]),
	}
}

func operatorVectors() []vector {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 350_000_000, time.UTC)
	return []vector{
		operatorVector(&Hello{Program: "synod", Version: "1"}),
		operatorVector(&HelloAnswer{
			Cluster: "a0", Name: "demo", Replica: "r1", Replicas: []string{"r1", "r2", "r3"}, PID: 9, Now: noon,
		}),
		operatorVector(&StatusSubscribe{IntervalMillis: 100}),
		operatorVector(&Status{
			Replica: "r1", Incarnation: 1, Leader: "r2", Ballot: "12.r2", Chosen: 9, Applied: 8,
			Roles: []RoleStatus{{Role: "acceptor", State: "down", Since: noon, Restarts: 2, Cause: "crash by op"}},
			Peers: []PeerStatus{{Replica: "r2", Connected: true, RTTMicros: 80, LastHeard: noon}},
			Faults: []FaultStatus{
				{ID: 7, Fault: "crash acceptor", Owner: "op", Since: noon, Until: noon.Add(time.Minute), Kind: "crash", Role: "acceptor"},
				{
					ID: 8, Fault: "delay r1>r3 50ms", Owner: "op", Since: noon, Until: noon.Add(time.Minute), Kind: "delay",
					Peer: "r3", Direction: DirectionOut, DelayMicros: 50_000, JitterMicros: 10_000, LossPermille: 5,
				},
			},
			SyncMicros: Quantiles{P50: 110, P99: 900, Max: 1200},
			Operations: []OperationStatus{{Operation: "put", Buckets: []uint64{0, 3, 9}, SumMicros: 300, Failed: 1}},
		}),
		operatorVector(&RoleControl{Action: ActionCrash, Role: "acceptor", ForMillis: 2000, Owner: "op"}),
		operatorVector(&ChaosControl{On: true, Seed: 7, Owner: "op"}),
		operatorVector(&Done{Text: "acceptor of r1 is down for 2s", Faults: []uint64{7}}),
		operatorVector(&LogSubscribe{Level: "info", From: 12}),
		operatorVector(&LogLines{Lines: []LogLine{{12, noon, "info", "leading ballot=12.r1"}}, Dropped: 3}),
		operatorVector(&LinkControl{
			Peers: []string{"r2", "r3"}, Direction: DirectionOut, DelayMicros: 50_000, JitterMicros: 10_000,
			LossPermille: 300, Cut: true, ForMillis: 2000, Owner: "op",
		}),
		operatorVector(&FaultClear{IDs: []uint64{3, 4}, All: true, Owner: "op"}),
		operatorVector(&SlotsQuery{From: 7, To: 9, Max: 3}),
		operatorVector(goldenSlots(noon)),
		operatorVector(&BallotsQuery{Max: 20}),
		operatorVector(&Ballots{Events: []BallotEvent{{
			At: noon, What: "leading", Ballot: "12.r1", Owner: "r1", Reason: "no heartbeat of r3", PhaseMicros: 1800,
			PromisedBy: []string{"r1", "r2", "r4"}, OpenSlots: 2,
		}}}),
		operatorVector(&DigestQuery{}),
		operatorVector(&Digest{
			Applied: 300, Hash: "0123456789abcdef", Marks: []DigestMark{{Slot: 256, Hash: "fedcba9876543210"}},
		}),
	}
}

func goldenSlots(noon time.Time) *Slots {
	return &Slots{Oldest: 1, Newest: 9, Slots: []SlotTrace{{
		Slot: 9, Ballot: "12.r1", Commands: 2, Bytes: 40, Operation: "put", Key: []byte("color"), Request: "300/2.7",
		Steps: []Step{
			{At: noon, What: StepProposed},
			{At: noon.Add(time.Millisecond), What: StepVoted, From: "r2", Ballot: "11.r3", TookMicros: 1000},
		},
	}}}
}

func prefaceVectors() []vector {
	p := Preface{
		Low: 1, High: 1, Connection: PeerConsensus, Replica: 2, To: 3, Cluster: goldenCluster(), Incarnation: 4,
		Run: 0x0123456789abcdef, Features: 1,
	}
	self := Identity{Cluster: goldenCluster(), Replica: 3, Incarnation: 1, Run: 5, Replicas: 5}
	w, no := p.Accepting(self), Refusing(self, Refuse(CodeDenied, 3, "this is r3, not r4"))
	return []vector{
		{"preface", p, p.Append, func(raw []byte) (any, error) { return DecodePreface(raw) }},
		{"welcome", w, w.Append, func(raw []byte) (any, error) { return DecodeWelcome(raw) }},
		{"refusal", no, no.Append, func(raw []byte) (any, error) { return DecodeWelcome(raw) }},
	}
}

func allVectors() []vector {
	return slices.Concat(peerVectors(), snapshotVectors(), clientVectors(), operatorVectors(), prefaceVectors())
}

func goldenPath(name string) string {
	return filepath.Join("testdata", strings.ToLower(name)+".hex")
}

// readGolden reads a golden file: bytes in hex; # begins a comment.
func readGolden(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(goldenPath(name))
	if err != nil {
		t.Fatalf("%v: make it with `go test ./protocol -run TestGolden -rewrite`", err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	raw, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatalf("%s: %v", goldenPath(name), err)
	}
	return raw
}

func writeGolden(t *testing.T, v vector) {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "# %s\n", v.name)
	for chunk := range slices.Chunk(v.encode(nil), 16) {
		fmt.Fprintf(&text, "% x\n", chunk)
	}
	if err := os.WriteFile(goldenPath(v.name), []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestGolden(t *testing.T) {
	for _, v := range allVectors() {
		if *rewrite {
			writeGolden(t, v)
		}
		want := readGolden(t, v.name)
		prefix := []byte("what is there already")
		if got := v.encode(bytes.Clone(prefix)); !bytes.Equal(got, append(prefix, want...)) {
			t.Errorf("%s: encoded as\n%s, the golden file has\n%s", v.name, hex.Dump(got), hex.Dump(want))
		}
		message, err := v.decode(want)
		if f, ok := message.(Frame); ok {
			f.owned = false
			message = f
		}
		if err != nil || !reflect.DeepEqual(message, v.message) {
			t.Errorf("%s: decoded to\n%+v, %v, want\n%+v", v.name, message, err, v.message)
		}
	}
}

// TestGoldenPeerMessagesLeaveNothingZero: a field that is zero here would not be
// missed if the wire forgot it.
func TestGoldenPeerMessagesLeaveNothingZero(t *testing.T) {
	for _, v := range peerVectors() {
		message := reflect.ValueOf(v.message.(paxos.Envelope).Message).Elem()
		for i := range message.NumField() {
			if message.Field(i).IsZero() {
				t.Errorf("%s: %s is zero", v.name, message.Type().Field(i).Name)
			}
		}
	}
}

func TestEveryKindHasAGoldenFile(t *testing.T) {
	var have []string
	for _, v := range allVectors() {
		have = append(have, v.name)
	}
	kinds := slices.Collect(maps.Keys(kindNames))
	for k := Kind(1); k.Peer(); k++ {
		if crosses(paxos.Kind(k)) && !strings.HasPrefix(k.String(), "Kind(") {
			kinds = append(kinds, k)
		}
	}
	for _, k := range kinds {
		if !slices.Contains(have, k.String()) {
			t.Errorf("%s (%#04x) has no golden file: add a message here and run with -rewrite", k, uint16(k))
		}
	}
}

// TestCutOff feeds every decoder every beginning of its golden frame's body:
// each is an error, none a panic.
func TestCutOff(t *testing.T) {
	for _, v := range slices.Concat(peerVectors(), clientVectors()[5:]) {
		whole, err := DecodeFrame(readGolden(t, v.name), PeerFrameBytesMax)
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(whole.Body) {
			cut := whole
			cut.Body = whole.Body[:n]
			if _, err := v.decode(AppendFrame(nil, &cut)); err == nil {
				t.Errorf("%s: %d of %d bytes decoded without an error", v.name, n, len(whole.Body))
			}
		}
		longer := whole
		longer.Body = append(bytes.Clone(whole.Body), "fields of a later version"...)
		if m, err := v.decode(AppendFrame(nil, &longer)); err != nil || !reflect.DeepEqual(m, v.message) {
			t.Errorf("%s: a longer tail gave %+v, %v", v.name, m, err)
		}
	}
}
