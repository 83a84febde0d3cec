package paxos

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// RecordKind numbers the records of an acceptor's log; part of the format.
type RecordKind uint8

// The records. Never renumbered.
const (
	// RecordBorn says that the log is complete: an acceptor whose log lacks it
	// has lost its state. A new acceptor's log begins with it; in that of an
	// acceptor that recovers it follows everything that was recovered.
	RecordBorn RecordKind = 1
	// RecordPromised raises the promise to Ballot.
	RecordPromised RecordKind = 2
	// RecordVoted holds a vote; it raises the promise too.
	RecordVoted RecordKind = 3
	// RecordRuns holds chosen runs. It is never synced for its own sake.
	RecordRuns RecordKind = 4
	// RecordFloor raises the floor to Slot: everything through it may be gone.
	RecordFloor RecordKind = 5
	// RecordVector raises the incarnations known of the others.
	RecordVector RecordKind = 6
)

// Record is one thing an acceptor must not forget.
type Record struct {
	Kind        RecordKind
	Ballot      Ballot      // promised, voted
	Slot        Slot        // voted, floor
	Value       Value       // voted
	Incarnation Incarnation // born
	Vector      Vector      // born, vector
	Runs        []ChosenRun // runs
}

// ErrRecord marks bytes that are not a record of this version.
var ErrRecord = errors.New("not a record of an acceptor's log")

// AppendRecord appends the record's bytes to dst.
func AppendRecord(dst []byte, r *Record) []byte {
	dst = append(dst, byte(r.Kind))
	switch r.Kind {
	case RecordBorn:
		dst = binary.AppendUvarint(dst, uint64(r.Incarnation))
		dst = appendVector(dst, &r.Vector)
	case RecordPromised:
		dst = appendBallot(dst, r.Ballot)
	case RecordVoted:
		dst = appendBallot(dst, r.Ballot)
		dst = binary.AppendUvarint(dst, uint64(r.Slot))
		dst = append(dst, r.Value...)
	case RecordRuns:
		for _, run := range r.Runs {
			dst = appendBallot(dst, run.Ballot)
			dst = binary.AppendUvarint(dst, uint64(run.First))
			dst = binary.AppendUvarint(dst, uint64(run.Last))
		}
	case RecordFloor:
		dst = binary.AppendUvarint(dst, uint64(r.Slot))
	case RecordVector:
		dst = appendVector(dst, &r.Vector)
	default:
		panic(fmt.Sprintf("paxos: record of unknown kind %d", r.Kind))
	}
	return dst
}

// DecodeRecord reads a record. The value of the result is a part of b.
func DecodeRecord(b []byte) (Record, error) {
	if len(b) == 0 {
		return Record{}, fmt.Errorf("%w: empty", ErrRecord)
	}
	r := Record{Kind: RecordKind(b[0])}
	d := reader{rest: b[1:]}
	switch r.Kind {
	case RecordBorn:
		r.Incarnation = Incarnation(d.uvarint())
		r.Vector = d.vector()
	case RecordPromised:
		r.Ballot = d.ballot()
	case RecordVoted:
		r.Ballot = d.ballot()
		r.Slot = Slot(d.uvarint())
		r.Value = Value(d.rest)
		d.rest = nil
	case RecordRuns:
		for len(d.rest) > 0 && !d.failed {
			r.Runs = append(r.Runs, ChosenRun{d.ballot(), Slot(d.uvarint()), Slot(d.uvarint())})
		}
	case RecordFloor:
		r.Slot = Slot(d.uvarint())
	case RecordVector:
		r.Vector = d.vector()
	default:
		return Record{}, fmt.Errorf("%w: unknown kind %d", ErrRecord, b[0])
	}
	if d.failed || len(d.rest) > 0 {
		return Record{}, fmt.Errorf("%w: kind %d, %d bytes do not parse", ErrRecord, r.Kind, len(b))
	}
	if !r.possible() {
		return Record{}, fmt.Errorf("%w: kind %d says what no acceptor says", ErrRecord, r.Kind)
	}
	return r, nil
}

// possible reports whether an acceptor may have written the record.
func (r *Record) possible() bool {
	switch r.Kind {
	case RecordBorn:
		return r.Incarnation > 0
	case RecordPromised:
		return !r.Ballot.IsZero()
	case RecordVoted:
		return !r.Ballot.IsZero() && r.Slot > 0
	case RecordFloor:
		return r.Slot > 0
	case RecordVector:
		return r.Vector != Vector{}
	}
	for _, run := range r.Runs {
		if !run.possible() {
			return false
		}
	}
	return true
}

// possible reports whether the run speaks about slots and proves something.
func (r ChosenRun) possible() bool {
	return !r.Ballot.IsZero() && 0 < r.First && r.First <= r.Last
}

// ballotRunBytes: the run is random, so a varint would only lengthen it.
const ballotRunBytes = 8

func appendBallot(dst []byte, b Ballot) []byte {
	dst = binary.AppendUvarint(dst, b.Round)
	dst = append(dst, byte(b.Replica))
	return binary.BigEndian.AppendUint64(dst, b.Run)
}

func appendVector(dst []byte, v *Vector) []byte {
	for _, i := range v {
		dst = binary.AppendUvarint(dst, uint64(i))
	}
	return dst
}

// reader consumes bytes; after the first failure everything reads as zero.
type reader struct {
	rest   []byte
	failed bool
}

func (d *reader) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.failed, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *reader) ballot() Ballot {
	b := Ballot{Round: d.uvarint()}
	if len(d.rest) < 1+ballotRunBytes {
		d.failed, d.rest = true, nil
		return Ballot{}
	}
	b.Replica = ReplicaID(d.rest[0])
	b.Run = binary.BigEndian.Uint64(d.rest[1:])
	d.rest = d.rest[1+ballotRunBytes:]
	return b
}

func (d *reader) vector() (v Vector) {
	for i := range v {
		v[i] = Incarnation(d.uvarint())
	}
	return v
}
