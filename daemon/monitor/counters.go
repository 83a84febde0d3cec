package monitor

import (
	"math/bits"
	"sync/atomic"
	"time"

	"synod/core/paxos"
	"synod/protocol"
)

// Counters count what a status shows. All may be used by any goroutine.
type Counters struct {
	Requests    atomic.Uint64 // complete requests of clients
	Malformed   atomic.Uint64 // inputs that were no frames, prefaces or requests
	Refused     atomic.Uint64 // connections refused at a limit or at the preface
	Overloaded  atomic.Uint64 // requests refused at a limit
	Retries     atomic.Uint64 // commands handed to the proposer again
	PeerDropped atomic.Uint64 // messages to peers that did not fit into a queue
	// ForwardsDropped are those of PeerDropped, counted after it, that carried commands of clients.
	ForwardsDropped atomic.Uint64
	FramesSent      Frames        // messages to peers, before what does not fit or is broken on purpose
	FramesReceived  Frames        // messages of peers
	PeerForeign     atomic.Uint64 // frames from peers that were not theirs to send
	LinkBreaks      atomic.Uint64 // connections to peers that broke
	FaultLost       atomic.Uint64 // messages from and to peers that injected faults of links have dropped
	// FaultOverflow are messages that did not fit into a queue of those held back by such faults.
	FaultOverflow atomic.Uint64
	Operations    Operations
}

// framesKinds is above every kind of message between replicas.
const framesKinds = 64

// Frames counts messages between replicas by kind. Any goroutine may use it.
type Frames struct{ counts [framesKinds]atomic.Uint64 }

// Add counts messages of a kind.
func (f *Frames) Add(kind paxos.Kind, count uint64) { f.counts[min(kind, framesKinds-1)].Add(count) }

// Each calls yield with every kind of which there were messages.
func (f *Frames) Each(yield func(kind paxos.Kind, count uint64)) {
	for kind := range f.counts {
		if count := f.counts[kind].Load(); count > 0 {
			yield(paxos.Kind(kind), count)
		}
	}
}

// Operation is what a request of a client asks for.
type Operation uint8

// The operations that are counted apart.
const (
	OperationOther Operation = iota // opens and closes of sessions
	OperationPut
	OperationDelete
	OperationGet
	OperationScan
	operations
)

// String is the word for it in a protocol.OperationStatus.
func (o Operation) String() string { return [...]string{"other", "put", "del", "get", "scan"}[o] }

// Operations count answered requests and how long they took. Any goroutine may use
// them; counting is some atomic additions.
type Operations struct {
	each [operations]struct {
		buckets [protocol.LatencyBuckets]atomic.Uint64
		micros  atomic.Uint64
		failed  atomic.Uint64
	}
}

// Answered counts a request that was answered after so long.
func (o *Operations) Answered(kind Operation, took time.Duration) {
	each := &o.each[kind]
	each.buckets[protocol.LatencyBucketOf(took)].Add(1)
	each.micros.Add(uint64(max(took.Microseconds(), 0)))
}

// Failed counts a request that ended with an error.
func (o *Operations) Failed(kind Operation) { o.each[kind].failed.Add(1) }

// Status is what they have counted so far; operations that nobody used are left out.
func (o *Operations) Status() []protocol.OperationStatus {
	var all []protocol.OperationStatus
	for kind := range operations {
		each := &o.each[kind]
		s := protocol.OperationStatus{
			Operation: kind.String(), SumMicros: each.micros.Load(), Failed: each.failed.Load(),
		}
		var counts [protocol.LatencyBuckets]uint64
		used := 0
		for i := range counts {
			if counts[i] = each.buckets[i].Load(); counts[i] > 0 {
				used = i + 1
			}
		}
		if s.Buckets = append([]uint64{}, counts[:used]...); used > 0 || s.Failed > 0 {
			all = append(all, s)
		}
	}
	return all
}

// Rounds count what consensus does at this replica. All may be used by any
// goroutine.
type Rounds struct {
	// Chosen is the time from the Accept to the vote that makes a majority, as the
	// leader's proposer sees it.
	Chosen  Latency
	Batches Sizes // slots that became durable with one sync
	// Campaigns of the own proposer, by what made it begin one.
	LinkDown atomic.Uint64 // the connection to the leader broke
	Silence  atomic.Uint64 // the leader was not heard
	NoLeader atomic.Uint64 // none was known
	Stuck    atomic.Uint64 // a replica could get a slot from nobody
	Leaders  atomic.Uint64 // changes of the leader that this replica saw
}

// sizesPowers is how many powers of two a Sizes tells apart.
const sizesPowers = 15

// Sizes counts numbers from 1 in buckets of a power of two. Any goroutine may use it.
type Sizes struct {
	counts [sizesPowers + 1]atomic.Uint64 // the last takes everything larger
	sum    atomic.Uint64
}

// Add counts one number.
func (s *Sizes) Add(n int) {
	n = max(n, 1)
	s.counts[min(bits.Len(uint(n-1)), sizesPowers)].Add(1)
	s.sum.Add(uint64(n))
}

// Histogram gives all that was counted since the start.
func (s *Sizes) Histogram() Histogram {
	h := Histogram{Sum: float64(s.sum.Load())}
	for power := range s.counts {
		h.Count += s.counts[power].Load()
		if power < sizesPowers {
			h.Bounds, h.Counts = append(h.Bounds, float64(uint(1)<<power)), append(h.Counts, h.Count)
		}
	}
	return h
}
