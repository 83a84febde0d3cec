package verdict

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Limits of a recorder.
const (
	// windowOperations is from where a window is cut as soon as nothing of its key is under way, restOperations from
	// where the key has to rest until that happens.
	windowOperations = 32
	restOperations   = 400
	// windowAge is from when a window is cut although it is short, so that the verdict is never far behind.
	windowAge = 500 * time.Millisecond
	// WaitingMax bounds the operations that wait for the judge; then Begin says Behind.
	WaitingMax = 200_000
	// pendingMax bounds the puts of unknown outcome of one key that may yet be seen; then the key is used no more.
	pendingMax = 64
	// JudgeTimeout bounds the judge's work on one window. To run out of it makes the verdict UNDECIDED, never OK.
	JudgeTimeout = 10 * time.Second
)

// State of a key, or of the recorder, when an operation wants to begin.
type State int

// The states.
const (
	Ready   State = iota // the operation has begun
	Resting              // too much overlaps: use another key for a moment
	Retired              // use this key no more
	Behind               // the judge has not caught up: wait a little
)

// Options of a recorder. The zero value is fine.
type Options struct {
	// History takes every judged operation as a line of JSON, for [Verify]; nil keeps none.
	History io.Writer
	Timeout time.Duration // of one window; 0: JudgeTimeout
}

// Recorder writes down what all clients of a load do and see, and judges it. Safe for concurrent use.
type Recorder struct {
	options Options
	now     func() time.Duration // since the start, monotonic
	history *writer              // of lines; nil without

	mutex   sync.Mutex // guards what follows
	keys    map[string]*key
	queue   []*window
	waiting int // operations that are not judged yet, in windows or not
	verdict Verdict
	closed  bool
	wake    chan struct{} // one element: there is something to judge
	done    chan struct{} // closed when the judge has ended
}

// key is the part of a key's history that is not judged yet.
type key struct {
	name       string
	state      State
	open       int // operations under way
	begin      time.Duration
	from       register
	operations []*Operation
	pending    []*Operation // puts of unknown outcome from earlier windows
}

// NewRecorder starts a recorder. Finish must be called.
func NewRecorder(options Options) *Recorder {
	if options.Timeout == 0 {
		options.Timeout = JudgeTimeout
	}
	r := &Recorder{
		options: options, keys: map[string]*key{},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if options.History != nil {
		r.history = newWriter(options.History)
	}
	r.verdict.Word = OKSoFar
	start := time.Now()
	r.now = func() time.Duration { return time.Since(start) }
	return r
}

// Ticket is an operation that has begun.
type Ticket struct {
	key       *key
	operation *Operation
}

// Begin writes down that a client is about to send an operation. Only with Ready has it begun, and End must be called.
func (r *Recorder) Begin(client int, kind Kind, name, value string) (Ticket, State) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	k := r.keys[name]
	if k == nil {
		k = &key{name: name}
		r.keys[name] = k
	}
	switch {
	case k.state != Ready:
		return Ticket{}, k.state
	case r.waiting >= WaitingMax:
		r.verdict.Slowed++
		return Ticket{}, Behind
	}
	k.open++
	r.waiting++
	o := &Operation{Client: client, Kind: kind, Key: name, Call: r.now()}
	if kind == Put {
		o.Value = value
	}
	if k.open == 1 && len(k.operations) == 0 {
		k.begin = o.Call
	}
	return Ticket{k, o}, Ready
}

// Answer is how an operation ended.
type Answer struct {
	Outcome  Outcome
	Found    bool   // of a Get
	Value    string // of a Get
	Revision uint64
	Replica  string
	Failure  string
}

// End writes down how an operation ended. It must be called for each that has begun, at once.
func (r *Recorder) End(t Ticket, a Answer) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	k, o := t.key, t.operation
	o.Return = r.now()
	o.Outcome, o.Revision, o.Replica, o.Failure = a.Outcome, a.Revision, a.Replica, a.Failure
	if o.Kind == Get {
		o.Found, o.Value = a.Found, a.Value
	}
	if o.Outcome == Unknown && o.Kind != Get {
		r.verdict.Unknown++
		if o.Kind == Delete {
			k.state = Retired
		}
	}
	k.operations = append(k.operations, o)
	k.open--
	switch {
	case k.open > 0:
		if k.state == Ready && len(k.operations) >= restOperations {
			k.state = Resting
		}
	case k.state != Ready || len(k.operations) >= windowOperations || o.Return-k.begin >= windowAge:
		r.cut(k)
	}
}

// cut makes a window of what a key has, and lets it be used again. Nothing of the key may be under way.
func (r *Recorder) cut(k *key) {
	w := &window{key: k.name, from: k.from, recorded: k.operations}
	k.pending = w.resolve(k.operations, k.pending, k.begin)
	k.from = w.after()
	k.operations = nil
	if k.state == Resting {
		k.state = Ready
	}
	if len(k.pending) > pendingMax || len(w.deletes) > 0 {
		k.state = Retired
	}
	r.queue = append(r.queue, w)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// flush cuts the windows of keys that are quiet.
func (r *Recorder) flush(age time.Duration) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	now := r.now()
	for _, k := range r.keys {
		if k.open == 0 && len(k.operations) > 0 && now-k.begin >= age {
			r.cut(k)
		}
	}
}

// Judge judges windows until Finish is called and nothing is left. Its owner runs it on a goroutine of its own.
func (r *Recorder) Judge() {
	defer close(r.done)
	ticker := time.NewTicker(windowAge)
	defer ticker.Stop()
	for {
		w, closed := r.next()
		if w != nil {
			r.judge(w)
			continue
		}
		if closed {
			return
		}
		select {
		case <-r.wake:
		case <-ticker.C:
			r.flush(windowAge)
		}
	}
}

func (r *Recorder) next() (w *window, closed bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if len(r.queue) == 0 {
		r.queue = nil
		return nil, r.closed
	}
	w, r.queue[0] = r.queue[0], nil
	r.queue = r.queue[1:]
	return w, false
}

func (r *Recorder) judge(w *window) {
	begun := time.Now()
	result := w.judge(r.options.Timeout)
	var proof *window
	if result == porcupine.Illegal && !r.violated() {
		proof = w.shortest()
	}
	took := time.Since(begun)
	if r.history != nil {
		r.history.add(w.recorded)
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	v := &r.verdict
	r.waiting -= len(w.recorded)
	v.Checked += len(w.operations)
	v.Spent += took
	switch {
	case result == porcupine.Unknown:
		v.Undecided = append(v.Undecided, w.key)
		if v.Word == OKSoFar {
			v.Word = Undecided
		}
	case result == porcupine.Illegal:
		v.Violations++
		v.Word = Violation
		if proof != nil {
			v.Failing = failingOf(w, proof)
		}
	}
}

func (r *Recorder) violated() bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.verdict.Failing != nil
}

// Verdict tells what is known now.
func (r *Recorder) Verdict() Verdict {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	v := r.verdict
	v.Keys, v.Waiting = len(r.keys), r.waiting
	v.Behind = 0
	if len(r.queue) > 0 {
		v.Behind = r.now() - r.queue[0].recorded[0].Call
	}
	return v
}

// Finish waits until everything is judged, or ctx ends, and gives the last verdict. All operations that have begun must
// have ended; what has not is said to be UNDECIDED.
func (r *Recorder) Finish(ctx context.Context) (Verdict, error) {
	r.flush(0)
	r.mutex.Lock()
	for _, k := range r.keys {
		if k.open > 0 {
			r.verdict.Undecided = append(r.verdict.Undecided, k.name)
		}
	}
	r.closed = true
	r.mutex.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		v := r.Verdict()
		if v.Word != Violation {
			v.Word = Undecided
		}
		return v, context.Cause(ctx)
	}
	var err error
	if r.history != nil {
		err = r.history.flush()
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if len(r.verdict.Undecided) > 0 && r.verdict.Word == OKSoFar {
		r.verdict.Word = Undecided
	}
	if r.verdict.Word == OKSoFar {
		r.verdict.Word = OK
	}
	r.verdict.Keys = len(r.keys)
	return r.verdict, err
}
