package fault

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"synod/core/paxos"
	"synod/protocol"
)

// ErrPermit: the state of this replica must not be lost now.
var ErrPermit = errors.New("no permit to lose the state of this replica")

// heardWithin is how old a condition may be to count.
const heardWithin = 3 * time.Second

// Permits see to it that injected faults never cost the state of more replicas than
// MaxLost at a time, whatever the schedules draw and whoever asks. Before a replica
// loses any role's state it needs the grants of so many others that MaxLost+1
// replicas can never have enough at once. A grant is given back when the replica is
// whole again: its acceptor votes and its applied state is as far as everybody's
// was. Who has just started grants nothing before it has heard that all others are
// whole: it may have forgotten a grant.
//
// Replicas tell each other everything anew, again and again (protocol.Condition), so
// nothing depends on a message that is lost. Any goroutine may use a Permits.
type Permits struct {
	options PermitOptions

	mu       sync.Mutex
	sequence uint64
	own      Own
	want     uint64 // the permit asked for or held, 0 for none
	lost     bool   // something was lost under it
	until    uint64 // what has to be durable again before it is given back
	grants   [paxos.ReplicasMax + 1]uint64
	others   [paxos.ReplicasMax + 1]other
}

// PermitOptions of one replica.
type PermitOptions struct {
	Self     paxos.ReplicaID
	Replicas int
	MaxLost  int
	Run      uint64 // random, of this start
}

// Own is the state of the own replica.
type Own struct {
	Whole   bool
	Durable uint64
}

// other is what is known of another replica.
type other struct {
	condition protocol.Condition
	at        time.Time // when it was heard, zero for never
	seenWhole bool      // since the start, with no permit
	before    uint64    // the run before this one: what comes late of it does not count
}

// NewPermits knows nothing of the others yet.
func NewPermits(options PermitOptions) *Permits { return &Permits{options: options} }

// needed is how many grants a permit takes: with fewer, one replica more than
// MaxLost could have them, each replica granting at most MaxLost at a time.
func (p *Permits) needed() int {
	return p.options.MaxLost*p.options.Replicas/(p.options.MaxLost+1) + 1
}

// Ask begins to ask for a permit with a new, random number. It fails at once if
// there cannot be one.
func (p *Permits) Ask(serial uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.options.MaxLost == 0:
		return fmt.Errorf("%w: max_lost in [faults] is 0", ErrPermit)
	case p.needed() > p.options.Replicas-1:
		return fmt.Errorf("%w: a cluster of %d cannot spare %d", ErrPermit, p.options.Replicas, p.options.MaxLost)
	case p.want != 0:
		return fmt.Errorf("%w: it has lost some already, or is asking", ErrPermit)
	case !p.own.Whole:
		return fmt.Errorf("%w: it is not whole itself", ErrPermit)
	}
	if why := p.refusal(p.options.Self); why != "" {
		return fmt.Errorf("%w: %s", ErrPermit, why)
	}
	p.want, p.lost = serial, false
	return nil
}

// Granted reports whether enough others have granted what Ask asked for, and says
// how many if not.
func (p *Permits) Granted(now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	count := 0
	for i := range p.others {
		o := &p.others[i]
		if now.Sub(o.at) < heardWithin && int(p.options.Self) <= len(o.condition.Grants) && p.want != 0 &&
			o.condition.Grants[p.options.Self-1] == p.want {
			count++
		}
	}
	if count < p.needed() {
		return fmt.Errorf("%w: %d others have granted one, %d are needed: a replica may be without its state already, "+
			"or has not been seen whole since the others started", ErrPermit, count, p.needed())
	}
	return nil
}

// Lost says that from now on the state may be gone. The permit is held until the
// replica is whole again and holds durably what all others hold now.
func (p *Permits) Lost() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost, p.until = true, p.own.Durable
	for i := range p.others {
		p.until = max(p.until, p.others[i].condition.Durable)
	}
	p.own.Whole = false // until the next look
}

// Release gives a permit back under which nothing was lost.
func (p *Permits) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.lost {
		p.want = 0
	}
}

// Held reports whether a permit is asked for or held.
func (p *Permits) Held() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.want != 0
}

// Condition takes the state of the own replica and gives what to tell the others. It
// is called again and again; it is where a permit is given back.
func (p *Permits) Condition(own Own) protocol.Condition {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own = own
	if p.lost && own.Whole && own.Durable >= p.until {
		p.want, p.lost = 0, false
	}
	p.sequence++
	return protocol.Condition{
		Run: p.options.Run, Sequence: p.sequence, Whole: own.Whole, Durable: own.Durable, Want: p.want,
		Grants: append([]uint64(nil), p.grants[1:p.options.Replicas+1]...),
	}
}

// Heard takes what another replica says, grants what it wants if that can be, and
// takes back what it does not need any more.
func (p *Permits) Heard(from paxos.ReplicaID, c protocol.Condition, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if from == p.options.Self || int(from) > p.options.Replicas {
		return
	}
	o := &p.others[from]
	if c.Run == o.before || c.Run == o.condition.Run && c.Sequence <= o.condition.Sequence {
		return // overtaken
	}
	if c.Run != o.condition.Run {
		o.before = o.condition.Run
	}
	o.condition, o.at = c, now
	if c.Whole && c.Want == 0 {
		o.seenWhole = true
	}
	grant := &p.grants[from]
	if *grant != 0 && *grant != c.Want && c.Whole {
		*grant = 0
	}
	if *grant == 0 && c.Want != 0 && c.Whole && p.refusal(from) == "" {
		*grant = c.Want
	}
}

// refusal says why a replica must not lose its state, as far as is known here; "" if
// nothing is against it.
func (p *Permits) refusal(asker paxos.ReplicaID) string {
	missing := 1 // the asker
	text := ""
	for r := paxos.ReplicaID(1); int(r) <= p.options.Replicas; r++ {
		o := &p.others[r]
		switch {
		case r == asker:
		case r == p.options.Self:
			if !p.own.Whole || p.want != 0 {
				missing++
			}
		case !o.seenWhole:
			return fmt.Sprintf("%s was not seen whole since the start of %s", r, p.options.Self)
		case p.grants[r] != 0 || !o.condition.Whole:
			missing++
			text = fmt.Sprintf("%s is without its state or about to lose it, or a role of it is down", r)
		}
	}
	if missing > p.options.MaxLost {
		return text + fmt.Sprintf(" (%d would be at once, max_lost in [faults] allows %d)", missing, p.options.MaxLost)
	}
	return ""
}
