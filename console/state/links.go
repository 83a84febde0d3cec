package state

import (
	"strconv"
	"strings"
	"time"

	"synod/console/quorum"
	"synod/protocol"
)

// LinkState is what passes from one replica to another.
type LinkState int

// The states, the worst last.
const (
	LinkUnknown LinkState = iota // nothing is known of now
	LinkUp
	LinkDelayed
	LinkLossy
	LinkCut  // by an injected fault
	LinkDown // no connection, or nobody there
)

// Link is one direction between two replicas.
type Link struct {
	From, To string
	State    LinkState
	RTT      time.Duration // 0 if it is not known
	Delay    time.Duration // added on purpose
	Jitter   time.Duration
	Permille int    // of the messages are dropped
	Why      string // of a link that is down
	Faults   int    // injected faults that concern it
}

// Passes tells whether enough messages of the roles come through to be of use, however late.
func (l *Link) Passes() bool {
	return l.State != LinkCut && l.State != LinkDown && l.Permille < quorum.LossPermilleCut
}

// Links gives the matrix of all links: the row sends to the column. The diagonal is empty.
func (c *Console) Links() [][]Link {
	links := make([][]Link, len(c.Replicas))
	for i := range c.Replicas {
		links[i] = make([]Link, len(c.Replicas))
		for j := range c.Replicas {
			if i != j {
				links[i][j] = c.link(i, j)
			}
		}
	}
	return links
}

// link works out one direction. Who sends tells about its connection; a fault may be set at either end.
func (c *Console) link(from, to int) Link {
	sender, receiver := &c.Replicas[from], &c.Replicas[to]
	l := Link{From: sender.ID, To: receiver.ID, State: LinkUp}
	l.inject(sender, receiver.ID, protocol.DirectionOut)
	l.inject(receiver, sender.ID, protocol.DirectionIn)
	switch {
	case c.gone(sender):
		l.State, l.Why = LinkDown, sender.ID+" does not answer"
	case c.gone(receiver):
		l.State, l.Why = LinkDown, receiver.ID+" does not answer"
	case !sender.Fresh(c.Now) && l.Faults == 0:
		l.State = LinkUnknown
	case sender.Fresh(c.Now):
		c.judge(&l, sender, receiver)
	}
	return l
}

func (c *Console) judge(l *Link, sender, receiver *Observation) {
	told := false
	for i := range sender.Status.Peers {
		peer := &sender.Status.Peers[i]
		if peer.Replica != receiver.ID {
			continue
		}
		told = true
		l.RTT = time.Duration(peer.RTTMicros) * time.Microsecond
		if !peer.Connected {
			l.State, l.Why = LinkDown, sender.ID+" has no connection to "+receiver.ID
		}
	}
	if !told && l.Faults == 0 {
		l.State = LinkUnknown
	}
}

// inject adds the faults that one end has set on the messages in one direction.
func (l *Link) inject(o *Observation, peer, direction string) {
	for i := range o.Status.Faults {
		f := &o.Status.Faults[i]
		if f.Peer != peer || f.Direction != direction && f.Direction != protocol.DirectionBoth {
			continue
		}
		l.Faults++
		switch f.Kind {
		case FaultCut:
			l.State = max(l.State, LinkCut)
		case FaultDelay:
			l.State = max(l.State, LinkDelayed)
		case FaultLoss:
			l.State = max(l.State, LinkLossy)
		}
		l.Delay += time.Duration(f.DelayMicros) * time.Microsecond
		l.Jitter += time.Duration(f.JitterMicros) * time.Microsecond
		// Two losses in a row: what passes the one may be lost at the other.
		l.Permille = 1000 - (1000-l.Permille)*(1000-min(max(f.LossPermille, 0), 1000))/1000
	}
}

// Kinds of injected faults, as a replica tells them.
const (
	FaultCrash = "crash"
	FaultPause = "pause"
	FaultCut   = "cut"
	FaultDelay = "delay"
	FaultLoss  = "loss"
)

// gone tells whether nobody is there: the process has ended, or it has not been heard for so long that its links say
// nothing.
func (c *Console) gone(o *Observation) bool {
	return o.Process == ProcessKilled || o.Process == ProcessExited || !o.Connected && (o.Known || o.Err != "")
}

// States of a process that this program has started.
const (
	ProcessRunning = "running"
	ProcessKilled  = "killed"
	ProcessExited  = "exited"
)

// silence says why the acceptor of a replica cannot vote now; "" if as far as is known it can.
func (c *Console) silence(replica int) string {
	o := &c.Replicas[replica]
	switch {
	case o.Process == ProcessKilled:
		return "its process was killed"
	case o.Process == ProcessExited:
		return "its process has ended"
	case !o.Connected && o.Err != "":
		return "it does not answer: " + o.Err
	case !o.Fresh(c.Now):
		return "nothing was heard of it for " + c.Now.Sub(o.At).Truncate(100*time.Millisecond).String()
	}
	acceptor, known := o.Role("acceptor")
	switch {
	case !known:
		return ""
	case acceptor.State == "down":
		return "its acceptor is crashed" + because(acceptor.Cause)
	case acceptor.State == "paused":
		return "its acceptor is paused" + because(acceptor.Cause)
	case acceptor.State == "refusing" || acceptor.State == "recovering":
		return "its acceptor is " + acceptor.State + because(acceptor.Cause)
	}
	return ""
}

// because puts the cause of a state behind it, as short as it still says who.
func because(cause string) string {
	for _, known := range []string{"crash ", "pause "} {
		cause = strings.TrimPrefix(cause, known)
	}
	if cause == "" {
		return ""
	}
	return " (" + Person(cause) + ")"
}

// Person leaves the port out of "ann@127.0.0.1:41822": it is another one for every order.
func Person(owner string) string {
	at := strings.LastIndexByte(owner, ':')
	if !strings.Contains(owner, "@") || at < 0 {
		return owner
	}
	if _, err := strconv.ParseUint(owner[at+1:], 10, 16); err != nil {
		return owner
	}
	return owner[:at]
}
