package sim

import (
	"bufio"
	"fmt"
	"io"

	"synod/core/kv"
	"synod/core/paxos"
	"synod/core/sim/check"
)

// trace turns the tap into one hash, so that two runs can be compared, and, if
// somebody wants to read it, into text: one line for each event.
//
//	seconds   who           what       about
//	1.204417  r2.acceptor   -> r*.learner+proposer  Accepted slots 7-7 ballot 3.r1
type trace struct {
	hash  uint64
	count uint64
	out   *bufio.Writer
}

func newTrace(out io.Writer) trace {
	t := trace{hash: 14695981039346656037}
	if out != nil {
		t.out = bufio.NewWriter(out)
	}
	return t
}

func (t *trace) mix(values ...uint64) {
	for _, v := range values {
		t.hash = (t.hash ^ v) * 1099511628211
		t.hash ^= t.hash >> 29
	}
}

func (t *trace) show(e *check.Event) {
	t.count++
	t.mix(uint64(e.Kind), uint64(e.At), uint64(e.Agent.Replica)<<8|uint64(e.Agent.Roles), e.Step,
		uint64(e.Slot), e.State, e.Revision, e.Sequence, uint64(e.Phase), uint64(len(e.Reason)))
	if e.Envelope != nil {
		t.envelope(e.Envelope)
	}
	if e.Entry != nil {
		t.entry(e.Entry)
	}
	if e.Operation != nil {
		t.mix(e.Operation.ID, uint64(e.Operation.Outcome), uint64(e.Operation.Slot), e.Operation.Revision)
	}
	if e.Note != nil {
		t.mix(uint64(e.Note.Kind), e.Note.Ballot.Round, uint64(e.Note.Slot))
	}
	t.print(e)
}

func (t *trace) print(e *check.Event) {
	if t.out != nil {
		fmt.Fprintf(t.out, "%s  %s\n", e.At, Line(e))
	}
}

func (t *trace) flush() {
	if t.out != nil {
		_ = t.out.Flush()
	}
}

func (t *trace) ballot(b paxos.Ballot) { t.mix(b.Round, uint64(b.Replica), b.Run) }

func (t *trace) entry(e *paxos.Entry) {
	t.ballot(e.Ballot)
	t.mix(uint64(e.Slot), uint64(len(e.Value)))
}

func (t *trace) envelope(e *paxos.Envelope) {
	t.mix(uint64(e.To.Replica)<<8|uint64(e.To.Roles), uint64(e.Message.Kind()))
	switch m := e.Message.(type) {
	case *paxos.Prepare:
		t.ballot(m.Ballot)
		t.mix(uint64(m.From))
	case *paxos.Promise:
		t.ballot(m.Ballot)
		t.mix(uint64(m.Chosen), uint64(m.Part), uint64(len(m.Entries)))
	case *paxos.Accept:
		t.ballot(m.Ballot)
		t.mix(uint64(m.Slot), uint64(len(m.Value)))
	case *paxos.Accepted:
		t.ballot(m.Ballot)
		t.mix(uint64(m.First), uint64(m.Last), uint64(m.Chosen))
	case *paxos.Heartbeat:
		t.mix(m.Sequence, uint64(m.Chosen))
	case *paxos.Held:
		t.mix(uint64(m.First), uint64(m.Through), uint64(len(m.Entries)), uint64(len(m.Runs)))
	case *paxos.ReadAnswer:
		t.mix(m.Round.Run, m.Round.Counter, uint64(m.Highest))
	}
}

// Line is the event as a line of text without its time.
func Line(e *check.Event) string {
	who := "run"
	switch {
	case e.Agent.Replica != 0:
		who = e.Agent.String()
	case e.Operation != nil:
		who = fmt.Sprintf("client %d", e.Operation.Client)
	}
	return fmt.Sprintf("%-12s  %s", who, about(e))
}

func about(e *check.Event) string {
	switch e.Kind {
	case check.Started:
		if e.Refusing {
			return "started      refusing: " + e.Reason
		}
		if e.Agent.Roles == paxos.RoleLearner {
			return fmt.Sprintf("started      applied %d", e.Slot)
		}
		return "started"
	case check.Sent:
		return fmt.Sprintf("-> %-22s %s", e.Envelope.To, Describe(e.Envelope.Message))
	case check.Received:
		return fmt.Sprintf("<- %-22s %s", e.Envelope.From, Describe(e.Envelope.Message))
	case check.Chose:
		return fmt.Sprintf("chosen       slot %d ballot %s %s", e.Entry.Slot, e.Entry.Ballot, describeValue(e.Entry.Value))
	case check.Executed:
		if e.Command.Op == kv.Open || e.Command.Op == kv.Close {
			return fmt.Sprintf("executed     slot %d index %d %v session %v: %v",
				e.Slot, e.Result.Index, e.Command.Op, e.Result.Session, e.Result.Status)
		}
		return fmt.Sprintf("executed     slot %d index %d %v %q session %v sequence %d: %v revision %d%s",
			e.Slot, e.Result.Index, e.Command.Op, e.Command.Key, e.Command.Update.Session,
			e.Command.Update.Sequence, e.Result.Status, e.Result.Revision, ifTrue(e.Result.Repeated, " (repeated)"))
	case check.Applied:
		return fmt.Sprintf("applied      slot %d revision %d state %016x", e.Slot, e.Revision, e.State)
	case check.Submitted:
		return fmt.Sprintf("submitted    operation %d session %v sequence %d low %d",
			e.Operation.ID, e.Session, e.Sequence, e.Low)
	case check.Invoked:
		return fmt.Sprintf("invoked      operation %d %s %q%s", e.Operation.ID, e.Operation.Name(), e.Operation.Key,
			ifTrue(e.Operation.Stale, " stale"))
	case check.Returned:
		return "returned     " + describeAnswer(e.Operation)
	case check.Told:
		return fmt.Sprintf("%-12s ballot %s slot %d %s", e.Note.Kind, e.Note.Ballot, e.Note.Slot, e.Note.Reason)
	case check.Phased:
		return "phase        " + e.Phase.String()
	}
	if e.Kind == check.Noted {
		return e.Reason
	}
	return fmt.Sprintf("%-12s %s", e.Kind, e.Reason)
}

func ifTrue(condition bool, text string) string {
	if condition {
		return text
	}
	return ""
}

func describeAnswer(o *check.Operation) string {
	switch {
	case o.Outcome != check.Done:
		return fmt.Sprintf("operation %d %s", o.ID, o.Outcome)
	case o.Op == check.Get:
		return fmt.Sprintf("operation %d %q revision %d found %v applied %d", o.ID, o.Read, o.Revision, o.Found, o.Slot)
	}
	return fmt.Sprintf("operation %d done slot %d index %d revision %d", o.ID, o.Slot, o.Index, o.Revision)
}

func describeValue(v paxos.Value) string {
	if v.IsNoop() {
		return "no-op"
	}
	commands := 0
	for range v.Commands() {
		commands++
	}
	return describeCount(commands, "command")
}

func describeCount(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Describe is a message as text, without numbers that differ from run to run.
func Describe(message paxos.Message) string {
	name := fmt.Sprintf("%-14s ", message.Kind())
	switch m := message.(type) {
	case *paxos.Propose:
		return name + describeCount(len(m.Commands), "command")
	case *paxos.Forward:
		return fmt.Sprintf("%s%s%s", name, describeCount(len(m.Commands), "command"), ifTrue(m.Relayed, " relayed"))
	case *paxos.Canvass:
		return fmt.Sprintf("%sattempt %d", name, m.Attempt)
	case *paxos.CanvassReply:
		return fmt.Sprintf("%sattempt %d granted %v leader %s applied %d", name, m.Attempt, m.Granted, m.Leader, m.Applied)
	case *paxos.Heartbeat:
		return fmt.Sprintf("%sballot %s chosen %d-%d", name, m.Ballot, m.First, m.Chosen)
	case *paxos.HeartbeatReply:
		return fmt.Sprintf("%sballot %s applied %d", name, m.Ballot, m.Applied)
	case *paxos.Prepare:
		return fmt.Sprintf("%sballot %s from slot %d", name, m.Ballot, m.From)
	case *paxos.Promise:
		return fmt.Sprintf("%sballot %s chosen %d part %d/%d%s", name, m.Ballot, m.Chosen, m.Part+1, m.Parts,
			describeEntries(m.Entries))
	case *paxos.Nack:
		return fmt.Sprintf("%sballot %s promised %s", name, m.Ballot, m.Promised)
	case *paxos.Accept:
		return fmt.Sprintf("%sslot %d ballot %s %s", name, m.Slot, m.Ballot, describeValue(m.Value))
	case *paxos.Accepted:
		return fmt.Sprintf("%sslot %s ballot %s chosen %d", name, describeSpan(m.First, m.Last), m.Ballot, m.Chosen)
	case *paxos.ChosenRuns:
		return name + describeRuns(m.Runs)
	case *paxos.Close:
		return fmt.Sprintf("%sslot %s%s", name, describeSpan(m.First, m.Last), ifTrue(m.Stuck, " stuck"))
	case *paxos.ReadQuery:
		return fmt.Sprintf("%sround %d", name, m.Round.Counter)
	case *paxos.ReadAnswer:
		return fmt.Sprintf("%sround %d highest %d", name, m.Round.Counter, m.Highest)
	case *paxos.Fetch:
		return fmt.Sprintf("%sslot %s", name, describeSpan(m.First, m.Last))
	case *paxos.Held:
		floor := ""
		if m.Floor > 0 {
			floor = fmt.Sprintf(" floor %d", m.Floor)
		}
		return fmt.Sprintf("%sslot %s highest %d%s%s, runs %s", name, describeSpan(m.First, m.Through), m.Highest, floor,
			describeEntries(m.Entries), describeRuns(m.Runs))
	case *paxos.Applied:
		return fmt.Sprintf("%sslot %d", name, m.Slot)
	case *paxos.Refusing:
		return name + m.Reason
	case *paxos.LinkDown:
		return name + m.Replica.String()
	case *paxos.Read:
		return name + describeCount(len(m.IDs), "read")
	}
	return name + describeRecovery(message)
}

func describeRecovery(message paxos.Message) string {
	switch m := message.(type) {
	case *paxos.Checkpoint:
		return fmt.Sprintf("slot %d", m.Slot)
	case *paxos.BelowFloor:
		return fmt.Sprintf("ballot %s floor %d", m.Ballot, m.Floor)
	case *paxos.RecoverQuery:
		return fmt.Sprintf("attempt %d", m.Nonce.Attempt)
	case *paxos.RecoverInfo:
		return fmt.Sprintf("attempt %d knows incarnation %d", m.Nonce.Attempt, m.Known)
	case *paxos.Recover:
		return fmt.Sprintf("attempt %d incarnation %d from slot %d", m.Nonce.Attempt, m.Incarnation, m.From)
	case *paxos.RecoverState:
		return fmt.Sprintf("attempt %d incarnation %d promised %s floor %d slots %s%s%s lives %v", m.Nonce.Attempt,
			m.Incarnation, m.Promised, m.Floor, describeSpan(m.From, m.Through), describeEntries(m.Entries),
			ifTrue(m.Last, " last"), m.Vector)
	case *paxos.Recovering:
		return fmt.Sprintf("attempt %d", m.Nonce.Attempt)
	case *paxos.Revived:
		return fmt.Sprintf("lives %v promised %s highest %d", m.Vector, m.Promised, m.Highest)
	case *paxos.Remembered:
		return fmt.Sprintf("incarnation %d promised %s highest %d", m.Incarnation, m.Promised, m.Highest)
	case *paxos.SnapshotReady:
		return fmt.Sprintf("slot %d", m.Slot)
	}
	return ""
}

func describeRecord(r *paxos.Record) string {
	switch r.Kind {
	case paxos.RecordBorn:
		return fmt.Sprintf("born, incarnation %d", r.Incarnation)
	case paxos.RecordPromised:
		return "promised ballot " + r.Ballot.String()
	case paxos.RecordVoted:
		return fmt.Sprintf("voted slot %d ballot %s", r.Slot, r.Ballot)
	case paxos.RecordFloor:
		return fmt.Sprintf("floor %d", r.Slot)
	case paxos.RecordVector:
		return fmt.Sprintf("lives %v", r.Vector)
	}
	return "told chosen " + describeRuns(r.Runs)
}

func describeSpan(first, last paxos.Slot) string {
	if first == last {
		return fmt.Sprint(first)
	}
	return fmt.Sprintf("%d-%d", first, last)
}

func describeEntries(entries []paxos.Entry) string {
	text := ""
	for i, e := range entries {
		if i == 5 {
			return text + fmt.Sprintf(" and %d more", len(entries)-i)
		}
		text += fmt.Sprintf(" %d:%s", e.Slot, e.Ballot)
	}
	return text
}

func describeRuns(runs []paxos.ChosenRun) string {
	text := ""
	for _, r := range runs {
		if text != "" {
			text += " "
		}
		text += describeSpan(r.First, r.Last) + "@" + r.Ballot.String()
	}
	return text
}
