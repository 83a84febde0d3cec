package session

import (
	"errors"
	"fmt"
)

// ErrConflict: another command waits under the same session and sequence.
var ErrConflict = errors.New("conflict")

// WaitersOptions are the limits of Waiters. All are needed.
type WaitersOptions struct {
	// CountMax is how many requests wait at a time, joined ones included.
	CountMax int
	// BytesMax is how many bytes their commands have together.
	BytesMax int
	// RetryMillis is how long after its first sending a command is sent again. The
	// pause doubles with every further sending, three times at most: a cluster that
	// is slow because it has much to do must not get it all again and again.
	RetryMillis int64
}

// Request is one request that waits for its applied entry. H is the handle by
// which the gateway answers.
type Request[H any] struct {
	Key Key
	// Command is kept, unchanged, until the request has been answered or expired.
	Command []byte
	// Digest tells commands apart (kv.Command.Digest); it leaves out low, so that a
	// client's own repetition with a higher low is the same.
	Digest uint64
	// DeadlineMillis is when the request is given back unanswered.
	DeadlineMillis int64
	Handle         H
}

// Waiters is a gateway's table of the requests that wait for their applied entry.
// Register and Applied take constant time, Retry and Expire a constant time for
// each request that they give and each step of the clock.
//
// Time is milliseconds of one clock that never goes back. Used by one goroutine.
type Waiters[H any] struct {
	options WaitersOptions
	byKey   map[Key]*waiter[H]
	// retries are all waiters, by how often they were sent again. The pause is the
	// same for all of a list, so whoever joins one goes to its end, and the one to
	// send again first stands in front.
	retries [retryLevels]list[H]
	wheel   wheel[H]
	count   int
	bytes   int
	prompt  uint64 // commands that were applied before they were sent again
	// spare waiters and tickets, linked by their next fields.
	spareWaiters *waiter[H]
	spareTickets *ticket[H]
}

// retryLevels is how many different pauses there are between two sendings.
const retryLevels = 4

// waiter is one command that is under way, with all who wait for it.
type waiter[H any] struct {
	key     Key
	command []byte
	digest  uint64
	// retryMillis is when to send the command again.
	retryMillis    int64
	level          int // of the list that it stands in
	previous, next *waiter[H]
	// tickets are those who wait; the first one registered stands last.
	tickets *ticket[H]
}

// ticket is one handle with its deadline.
type ticket[H any] struct {
	handle         H
	deadlineMillis int64
	waiter         *waiter[H]
	// sibling is the next ticket of the waiter.
	sibling *ticket[H]
	// place, previous and next: where it hangs in the wheel.
	place          int
	previous, next *ticket[H]
}

// NewWaiters is an empty table. Limits below 1 panic.
func NewWaiters[H any](options WaitersOptions) *Waiters[H] {
	if options.CountMax < 1 || options.BytesMax < 1 || options.RetryMillis < 1 {
		panic(fmt.Sprintf("session: waiters with limits %+v", options))
	}
	return &Waiters[H]{options: options, byKey: map[Key]*waiter[H]{}}
}

// Len is the number of waiting requests.
func (w *Waiters[H]) Len() int { return w.count }

// Bytes is the size of the commands under way.
func (w *Waiters[H]) Bytes() int { return w.bytes }

// Prompt counts the commands that were applied before they were sent again. While
// it grows, what is sent gets there.
func (w *Waiters[H]) Prompt() uint64 { return w.prompt }

// Register adds a request. If its command is under way already it joins: the
// caller then sends nothing, and both get the answer. Errors are ErrOverloaded and
// ErrConflict; nothing is registered then.
func (w *Waiters[H]) Register(nowMillis int64, r Request[H]) (joined bool, err error) {
	if w.count >= w.options.CountMax {
		return false, fmt.Errorf("%w: %d requests wait at this replica", ErrOverloaded, w.count)
	}
	known := w.byKey[r.Key]
	switch {
	case known != nil && known.digest != r.Digest:
		return false, fmt.Errorf("%w: another command waits under this session and sequence", ErrConflict)
	case known == nil && w.bytes+len(r.Command) > w.options.BytesMax:
		return false, fmt.Errorf("%w: commands of %d bytes wait at this replica", ErrOverloaded, w.bytes)
	case known == nil:
		known = w.takeWaiter()
		known.key, known.command, known.digest = r.Key, r.Command, r.Digest
		known.retryMillis = nowMillis + w.options.RetryMillis
		w.byKey[r.Key] = known
		w.retries[0].push(known)
		w.bytes += len(r.Command)
	default:
		joined = true
	}
	t := w.takeTicket()
	t.handle, t.deadlineMillis, t.waiter = r.Handle, r.DeadlineMillis, known
	t.sibling, known.tickets = known.tickets, t
	w.wheel.add(nowMillis, t)
	w.count++
	return joined, nil
}

// Applied takes the result of an applied command and appends the handles that
// wait for it to handles. Whoever waits for another command under the same session
// and sequence waits on, for the conflict that is to come.
func (w *Waiters[H]) Applied(r Result, handles []H) []H {
	known := w.byKey[r.Key()]
	if known == nil || r.Digest != 0 && known.digest != 0 && r.Digest != known.digest {
		return handles
	}
	if known.level == 0 {
		w.prompt++
	}
	for t := known.tickets; t != nil; {
		next := t.sibling
		handles = append(handles, t.handle)
		w.wheel.remove(t)
		w.freeTicket(t)
		t = next
	}
	known.tickets = nil
	w.freeWaiter(known)
	return handles
}

// Retry appends to commands at most limit of those that are due to be sent again,
// the longest waiting first, and notes them as sent now. The commands are the
// caller's to send, not to change, and valid until the next call of any method.
func (w *Waiters[H]) Retry(nowMillis int64, limit int, commands [][]byte) [][]byte {
	for ; limit > 0; limit-- {
		first := w.firstRetry()
		if first == nil || first.retryMillis > nowMillis {
			break
		}
		w.retries[first.level].remove(first)
		first.level = min(first.level+1, retryLevels-1)
		first.retryMillis = nowMillis + w.options.RetryMillis<<first.level
		w.retries[first.level].push(first)
		commands = append(commands, first.command)
	}
	return commands
}

// firstRetry is the waiter to send again first, nil if none waits.
func (w *Waiters[H]) firstRetry() *waiter[H] {
	var first *waiter[H]
	for i := range w.retries {
		if next := w.retries[i].first; next != nil && (first == nil || next.retryMillis < first.retryMillis) {
			first = next
		}
	}
	return first
}

// RetryAll makes all commands due, as after a change of leader, which may have taken
// all that were on their way with it. Their pauses begin anew.
func (w *Waiters[H]) RetryAll(nowMillis int64) {
	var all list[H]
	for {
		first := w.firstRetry()
		if first == nil {
			break
		}
		w.retries[first.level].remove(first)
		first.level, first.retryMillis = 0, min(first.retryMillis, nowMillis)
		all.push(first)
	}
	w.retries[0] = all
}

// NextRetry is when the next command is due; ok is false if none waits.
func (w *Waiters[H]) NextRetry() (millis int64, ok bool) {
	if first := w.firstRetry(); first != nil {
		return first.retryMillis, true
	}
	return 0, false
}

// Expire appends the handles whose deadline has come to handles and forgets them.
// The outcome of an update among them is unknown. A command whose requests have
// all expired is not sent again.
func (w *Waiters[H]) Expire(nowMillis int64, handles []H) []H {
	for t := w.wheel.due(nowMillis); t != nil; {
		next := t.next
		handles = append(handles, t.handle)
		w.leave(t)
		t = next
	}
	return handles
}

// leave takes a ticket that is in the wheel no more from its waiter.
func (w *Waiters[H]) leave(t *ticket[H]) {
	waiting := t.waiter
	link := &waiting.tickets
	for *link != t {
		link = &(*link).sibling
	}
	*link = t.sibling
	w.freeTicket(t)
	if waiting.tickets == nil {
		w.freeWaiter(waiting)
	}
}

func (w *Waiters[H]) takeWaiter() *waiter[H] {
	spare := w.spareWaiters
	if spare == nil {
		return &waiter[H]{}
	}
	w.spareWaiters, spare.next = spare.next, nil
	return spare
}

func (w *Waiters[H]) freeWaiter(done *waiter[H]) {
	delete(w.byKey, done.key)
	w.retries[done.level].remove(done)
	w.bytes -= len(done.command)
	*done = waiter[H]{next: w.spareWaiters}
	w.spareWaiters = done
}

func (w *Waiters[H]) takeTicket() *ticket[H] {
	spare := w.spareTickets
	if spare == nil {
		return &ticket[H]{}
	}
	w.spareTickets, spare.next = spare.next, nil
	return spare
}

func (w *Waiters[H]) freeTicket(done *ticket[H]) {
	w.count--
	*done = ticket[H]{next: w.spareTickets}
	w.spareTickets = done
}

// list is a queue of waiters.
type list[H any] struct {
	first, last *waiter[H]
}

func (l *list[H]) push(added *waiter[H]) {
	added.previous, added.next = l.last, nil
	if l.last != nil {
		l.last.next = added
	} else {
		l.first = added
	}
	l.last = added
}

func (l *list[H]) remove(gone *waiter[H]) {
	if gone.previous != nil {
		gone.previous.next = gone.next
	} else {
		l.first = gone.next
	}
	if gone.next != nil {
		gone.next.previous = gone.previous
	} else {
		l.last = gone.previous
	}
	gone.previous, gone.next = nil, nil
}
