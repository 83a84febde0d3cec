package sim

import (
	"math/rand/v2"

	"synod/core/paxos"
	"synod/core/sim/check"
)

// taskKind says what a task does. Frequent tasks have a kind, so that they
// allocate nothing; all others are functions.
type taskKind uint8

const (
	taskCall    taskKind = iota // call
	taskArrive                  // envelope arrives at the replica that it is addressed to
	taskDeliver                 // host takes what waits in its mailbox
	taskRelease                 // host lets the messages of its last step go
	taskTick                    // replica's clock ticks
)

// task is something that happens later. A task of an agent's life that is over
// does nothing.
type task struct {
	kind     taskKind
	host     *host
	replica  *replica
	life     uint64
	envelope paxos.Envelope
	call     func()
}

// schedule is the simulated time: a heap of tasks ordered by time and then by a
// random number, so that no order of simultaneous events is taken for granted.
// Without a generator they keep the order in which they were put on it.
type schedule struct {
	now    check.Time
	random *rand.Rand
	puts   uint64
	heap   []entry
	tasks  []task
	free   []int32
	count  uint64
}

type entry struct {
	at    check.Time
	tie   uint64
	index int32
}

func (e *entry) before(o *entry) bool {
	if e.at != o.at {
		return e.at < o.at
	}
	if e.tie != o.tie {
		return e.tie < o.tie
	}
	return e.index < o.index
}

// at puts a task on the schedule, not earlier than now.
func (s *schedule) at(when check.Time, t task) {
	var index int32
	if n := len(s.free); n > 0 {
		index, s.free = s.free[n-1], s.free[:n-1]
		s.tasks[index] = t
	} else {
		index = int32(len(s.tasks))
		s.tasks = append(s.tasks, t)
	}
	s.puts++
	tie := s.puts
	if s.random != nil {
		tie = s.random.Uint64()
	}
	s.heap = append(s.heap, entry{max(when, s.now), tie, index})
	for i := len(s.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if !s.heap[i].before(&s.heap[parent]) {
			break
		}
		s.heap[i], s.heap[parent] = s.heap[parent], s.heap[i]
		i = parent
	}
}

// after calls a function when some time has passed.
func (s *schedule) after(delay check.Time, call func()) {
	s.at(s.now+delay, task{kind: taskCall, call: call})
}

// next takes the first task if it is due by the limit, and sets the time.
func (s *schedule) next(limit check.Time) (task, bool) {
	if len(s.heap) == 0 || s.heap[0].at > limit {
		s.now = max(s.now, limit)
		return task{}, false
	}
	first := s.heap[0]
	last := len(s.heap) - 1
	s.heap[0] = s.heap[last]
	s.heap = s.heap[:last]
	s.sink()
	t := s.tasks[first.index]
	s.tasks[first.index] = task{}
	s.free = append(s.free, first.index)
	s.now = first.at
	s.count++
	return t, true
}

func (s *schedule) sink() {
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(s.heap); child++ {
			if s.heap[child].before(&s.heap[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		s.heap[i], s.heap[least] = s.heap[least], s.heap[i]
		i = least
	}
}

// streams are the independent random generators of a run: what one part of the
// simulation draws does not shift what another part draws.
type streams struct {
	order, network, disk, fault, workload, host, nonce *rand.Rand
}

func newStreams(seed uint64) streams {
	stream := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }
	return streams{
		order: stream(1), network: stream(2), disk: stream(3),
		fault: stream(4), workload: stream(5), host: stream(6), nonce: stream(7),
	}
}

// between draws a time from low to high.
func between(random *rand.Rand, low, high check.Time) check.Time {
	if high <= low {
		return low
	}
	return low + check.Time(random.Int64N(int64(high-low)+1))
}

// exponential draws a time with the given mean.
func exponential(random *rand.Rand, mean check.Time) check.Time {
	return check.Time(random.ExpFloat64() * float64(mean))
}

// chance draws true with the probability.
func chance(random *rand.Rand, probability float64) bool {
	return probability > 0 && random.Float64() < probability
}
