package check

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"synod/core/kv"
	"synod/core/paxos"
	"synod/core/session"
)

// A planted history is a list of events in which one promise is broken. Each watcher
// is shown one that is fine and one that is not.

var (
	low  = paxos.Ballot{Round: 1, Replica: 1, Run: 7}
	high = paxos.Ballot{Round: 2, Replica: 2, Run: 8}
)

func agentOf(r paxos.ReplicaID, role paxos.Roles) paxos.Address {
	return paxos.Address{Replica: r, Roles: role}
}

// sent is a message that leaves an agent, each in a step of its own.
func sent(r paxos.ReplicaID, role paxos.Roles, m paxos.Message) Event {
	return Event{Kind: Sent, Agent: agentOf(r, role), Envelope: &paxos.Envelope{From: agentOf(r, role), Message: m}}
}

func proposes(b paxos.Ballot, s paxos.Slot, value string) Event {
	return sent(b.Replica, paxos.RoleProposer, &paxos.Accept{Ballot: b, Slot: s, Value: paxos.Value(value)})
}

func votes(r paxos.ReplicaID, b paxos.Ballot, s paxos.Slot) Event {
	return sent(r, paxos.RoleAcceptor, &paxos.Accepted{Ballot: b, First: s, Last: s})
}

func promises(r paxos.ReplicaID, b paxos.Ballot, entries ...paxos.Entry) Event {
	return sent(r, paxos.RoleAcceptor, &paxos.Promise{Ballot: b, From: 1, Parts: 1, Entries: entries})
}

func takes(r paxos.ReplicaID, s paxos.Slot, value string) Event {
	return Event{
		Kind: Chose, Agent: agentOf(r, paxos.RoleLearner), Slot: s,
		Entry: &paxos.Entry{Slot: s, Value: paxos.Value(value)},
	}
}

func started(r paxos.ReplicaID, role paxos.Roles) Event {
	return Event{Kind: Started, Agent: agentOf(r, role)}
}

var theSession = session.ID{Slot: 1}

// executes: the learner of a replica executes sequence n of the session.
func executes(r paxos.ReplicaID, s paxos.Slot, n uint64, key, value string) Event {
	return Event{
		Kind: Executed, Agent: agentOf(r, paxos.RoleLearner), Slot: s,
		Command: &kv.Command{
			Op: kv.Put, Update: kv.Update{Session: theSession, Sequence: n, Low: 1},
			Key: []byte(key), Value: []byte(value),
		},
		Result: &session.Result{Session: theSession, Sequence: n, Status: session.OK, Slot: uint64(s), Revision: uint64(s)},
	}
}

func put(id uint64, key, value string) *Operation {
	return &Operation{ID: id, Op: kv.Put, Key: key, Value: value}
}

func get(id uint64, key string) *Operation { return &Operation{ID: id, Op: Get, Key: key} }

func invoked(o *Operation, at Time) Event {
	o.Invoked = at
	return Event{Kind: Invoked, At: at, Operation: o}
}

func submitted(o *Operation, n, low uint64) Event {
	return Event{Kind: Submitted, Operation: o, Session: theSession, Sequence: n, Low: low}
}

// returned: an update was answered as executed in a slot, a get from a state.
func returned(o *Operation, at Time, s paxos.Slot) Event {
	return Event{Kind: Returned, At: at, Operation: o, Slot: s}
}

// play shows events to a watcher, and fills operations when they return, as clients do.
func play(w Watcher, others []Watcher, events []Event) error {
	for i := range events {
		e := &events[i]
		e.Step = uint64(i + 1)
		if o := e.Operation; e.Kind == Returned && o.Outcome == Pending {
			o.Outcome, o.Returned, o.Slot = Done, e.At, e.Slot
			if o.Op != Get {
				o.Revision = uint64(e.Slot)
			}
		}
		for _, other := range others {
			if err := other.Watch(e); err != nil {
				return fmt.Errorf("%s, not %s: %w", other.Name(), w.Name(), err)
			}
		}
		if err := w.Watch(e); err != nil {
			return err
		}
	}
	return w.Finish()
}

type planted struct {
	name   string
	events func() []Event
	// want is a part of what the watcher says; empty if nothing is wrong.
	want string
}

func expect(t *testing.T, make func() (Watcher, []Watcher), cases []planted) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w, others := make()
			err := play(w, others, c.events())
			switch {
			case c.want == "" && err != nil:
				t.Errorf("a history without fault: %v", err)
			case c.want != "" && err == nil:
				t.Errorf("%s did not notice", w.Name())
			case c.want != "" && !strings.Contains(err.Error(), c.want):
				t.Errorf("it says %q, which lacks %q", err, c.want)
			}
		})
	}
}

// withLedger gives a watcher together with what keeps its ledger.
func withLedger(make func(*Ledger) Watcher) func() (Watcher, []Watcher) {
	return func() (Watcher, []Watcher) {
		ledger := NewLedger(3)
		return make(ledger), []Watcher{&agreement{ledger: ledger}}
	}
}

func events(list ...Event) func() []Event { return func() []Event { return list } }

func TestAgreement(t *testing.T) {
	alone := func() (Watcher, []Watcher) { return &agreement{ledger: NewLedger(3)}, nil }
	expect(t, alone, []planted{
		{"chosen once", events(proposes(low, 1, "a"), votes(1, low, 1), votes(2, low, 1), takes(3, 1, "a")), ""},
		{"chosen again above", events(
			proposes(low, 1, "a"), votes(1, low, 1), votes(2, low, 1),
			proposes(high, 1, "a"), votes(2, high, 1), votes(3, high, 1), takes(1, 1, "a")), ""},
		{"two values in one ballot", events(proposes(low, 1, "a"), proposes(low, 1, "b")), "two values"},
		{"two chosen values", events(
			proposes(low, 1, "a"), votes(1, low, 1), votes(2, low, 1),
			proposes(high, 1, "b"), votes(2, high, 1), votes(3, high, 1)), "two chosen values"},
		{"a vote for nothing", events(votes(1, low, 1)), "nobody proposed"},
		{"taken without a majority", events(proposes(low, 1, "a"), votes(1, low, 1), takes(1, 1, "a")), "no majority"},
		{"the same vote twice", events(
			proposes(low, 1, "a"), votes(1, low, 1), votes(1, low, 1), takes(1, 1, "a")), "no majority"},
		{"equal values in two ballots", events(
			proposes(low, 1, "a"), votes(1, low, 1),
			proposes(high, 1, "a"), votes(2, high, 1), takes(1, 1, "a")), "no majority"},
		{"the wrong value taken", events(
			proposes(low, 1, "a"), votes(1, low, 1), votes(2, low, 1), takes(1, 1, "b")), "was chosen"},
	})
}

func TestProposal(t *testing.T) {
	chosen := []Event{proposes(low, 1, "a"), votes(1, low, 1), votes(2, low, 1)}
	makeIt := withLedger(func(l *Ledger) Watcher { return &proposal{ledger: l} })
	expect(t, makeIt, []planted{
		{"the chosen value again", events(append(chosen[:3:3], proposes(high, 1, "a"))...), ""},
		{"another value above a chosen one", events(append(chosen[:3:3], proposes(high, 1, "b"))...), "was chosen"},
		{"another value, nothing chosen", events(proposes(low, 1, "a"), votes(1, low, 1), proposes(high, 1, "b")), ""},
	})
}

func TestClaims(t *testing.T) {
	mark := func(chosen paxos.Slot) Event {
		return sent(1, paxos.RoleProposer, &paxos.Heartbeat{Ballot: low, First: 1, Chosen: chosen})
	}
	tells := func(b paxos.Ballot) Event {
		return sent(3, paxos.RoleLearner, &paxos.ChosenRuns{Runs: []paxos.ChosenRun{{Ballot: b, First: 1, Last: 1}}})
	}
	prepares := sent(1, paxos.RoleProposer, &paxos.Prepare{Ballot: low, From: 1})
	phase1 := []Event{started(1, paxos.RoleProposer), prepares, promises(1, low), promises(2, low), proposes(low, 1, "a")}
	chosen := append(phase1[:5:5], votes(1, low, 1), votes(2, low, 1))
	ends := sent(1, paxos.RoleAcceptor, &paxos.Promise{Ballot: high, Chosen: 1, Parts: 1})
	lowest := paxos.Ballot{Round: 1, Replica: 1, Run: 1}
	makeIt := withLedger(func(l *Ledger) Watcher { return newClaims(l) })
	expect(t, makeIt, []planted{
		{"a true mark, run and end", events(append(chosen[:7:7], mark(1), tells(low), tells(high), ends)...), ""},
		{"phase 1 with one promise", events(prepares, promises(1, low), proposes(low, 1, "a")), "no quorum of acceptors has promised"},
		{"a mark without votes", events(append(phase1[:5:5], votes(1, low, 1), mark(1))...), "no quorum"},
		{"a run without votes", events(append(phase1[:5:5], tells(low))...), "chosen is it false"},
		{"a run of too low a ballot", events(append(chosen[:7:7], tells(lowest))...), "chosen is it true"},
		{"a false end", events(append(phase1[:5:5], ends)...), "is not"},
		{"a ballot in two lives", events(append(phase1[:5:5], started(1, paxos.RoleProposer), prepares)...), "in its life 2"},
		{"a ballot in two campaigns", events(append(phase1[:5:5], prepares)...), "has proposed before"},
	})
}

func TestPromise(t *testing.T) {
	makeIt := func() (Watcher, []Watcher) { return newPromise(NewLedger(3), &lives{}), nil }
	nack := func(b paxos.Ballot) Event {
		return sent(1, paxos.RoleAcceptor, &paxos.Nack{Ballot: low, Promised: b})
	}
	together := func() []Event {
		list := []Event{promises(1, high), votes(1, low, 1)}
		return list
	}
	expect(t, makeIt, []planted{
		{"kept", events(promises(1, low), votes(1, low, 1), promises(1, high), nack(high), votes(2, low, 1)), ""},
		{"a vote below", together, "shows a promise of"},
		{"a promise below", events(promises(1, high), promises(1, low)), "shows a promise of"},
		{"a refusal with too low a promise", events(votes(1, high, 1), nack(low)), "shows a promise of"},
		{"forgotten in a crash", events(promises(1, high), started(1, paxos.RoleAcceptor), votes(1, low, 1)), "shows"},
	})
	w := newPromise(NewLedger(3), &lives{})
	list := together()
	for i := range list {
		list[i].Step = 5
		if err := w.Watch(&list[i]); err != nil {
			t.Errorf("a vote that left after a promise, but in the same step: %v", err)
		}
	}
}

func TestVote(t *testing.T) {
	entry := paxos.Entry{Slot: 1, Ballot: low, Value: paxos.Value("a")}
	other := paxos.Entry{Slot: 1, Ballot: low, Value: paxos.Value("b")}
	holds := func(entries ...paxos.Entry) Event {
		return sent(1, paxos.RoleAcceptor, &paxos.Held{First: 1, Through: 1, Entries: entries})
	}
	answers := func(s paxos.Slot) Event { return sent(1, paxos.RoleAcceptor, &paxos.ReadAnswer{Highest: s}) }
	voted := []Event{proposes(low, 1, "a"), votes(1, low, 1)}
	cut := sent(1, paxos.RoleAcceptor, &paxos.Promise{Ballot: high, From: 1, Floor: 1, Parts: 1})
	makeIt := withLedger(func(l *Ledger) Watcher { return &vote{ledger: l, lives: &lives{}} })
	expect(t, makeIt, []planted{
		{"remembered", events(append(voted[:2:2], promises(1, high, entry), holds(entry), answers(1))...), ""},
		{"below the floor", events(append(voted[:2:2], cut)...), ""},
		{"not in a promise", events(append(voted[:2:2], promises(1, high))...), "has voted there"},
		{"not in an answer", events(append(voted[:2:2], holds())...), "has voted there"},
		{"not in a read", events(append(voted[:2:2], answers(0))...), "has voted for slot 1"},
		{"with another value", events(append(voted[:2:2], holds(other))...), "was proposed"},
		{"of a ballot without a proposal", events(promises(1, high, entry)), "nobody proposed"},
	})
}

func TestVoteInParts(t *testing.T) {
	ledger := NewLedger(3)
	w, keeper := &vote{ledger: ledger, lives: &lives{}}, &agreement{ledger: ledger}
	part := func(n uint32, entries ...paxos.Entry) Event {
		return sent(1, paxos.RoleAcceptor, &paxos.Promise{Ballot: high, From: 1, Part: n, Parts: 2, Entries: entries})
	}
	one := paxos.Entry{Slot: 1, Ballot: low, Value: paxos.Value("a")}
	two := paxos.Entry{Slot: 2, Ballot: low, Value: paxos.Value("a")}
	whole := []Event{
		proposes(low, 1, "a"), proposes(low, 2, "a"), votes(1, low, 1), votes(1, low, 2), part(0, one), part(1, two),
	}
	if err := play(w, []Watcher{keeper}, whole); err != nil {
		t.Errorf("a promise in two parts: %v", err)
	}
	if err := play(w, nil, []Event{part(0, one), part(1)}); err == nil {
		t.Error("the second part lacks a vote, and nobody noticed")
	}
}

func TestSilence(t *testing.T) {
	makeIt := func() (Watcher, []Watcher) { return &silence{}, nil }
	refuses := started(1, paxos.RoleAcceptor)
	refuses.Refusing = true
	expect(t, makeIt, []planted{
		{"refuses", events(refuses, sent(1, paxos.RoleAcceptor, &paxos.Refusing{})), ""},
		{"refuses and votes", events(refuses, votes(1, low, 1)), "refuses, and yet"},
		{"refuses and answers a read", events(refuses, sent(1, paxos.RoleAcceptor, &paxos.ReadAnswer{})), "refuses, and yet"},
		{"well again", events(refuses, started(1, paxos.RoleAcceptor), votes(1, low, 1)), ""},
	})
}

func TestPrefix(t *testing.T) {
	makeIt := func() (Watcher, []Watcher) { return newPrefix(NewLedger(3), 3), nil }
	applied := func(r paxos.ReplicaID, s paxos.Slot, state uint64) Event {
		return Event{Kind: Applied, Agent: agentOf(r, paxos.RoleLearner), Slot: s, State: state}
	}
	audit := func(r paxos.ReplicaID, s paxos.Slot, rows ...Row) Event {
		return Event{Kind: Audited, Agent: agentOf(r, paxos.RoleLearner), Slot: s, Rows: rows}
	}
	one, two := started(1, paxos.RoleLearner), started(2, paxos.RoleLearner)
	first := []Event{one, two, takes(1, 1, "x"), executes(1, 1, 1, "k", "v"), applied(1, 1, 9)}
	row := Row{"k", "v", 1}
	expect(t, makeIt, []planted{
		{"equal", events(append(first[:5:5], takes(2, 1, "x"), applied(2, 1, 9), audit(1, 1, row), audit(2, 1, row))...), ""},
		{"a gap", events(one, takes(1, 2, "x")), "slot 1 is next"},
		{"twice", events(append(first[:5:5], takes(1, 1, "x"))...), "slot 2 is next"},
		{"another state", events(append(first[:5:5], takes(2, 1, "x"), applied(2, 1, 8))...), "is in state"},
		{"another row at the end", events(append(first[:5:5], audit(1, 1, Row{"k", "w", 1}))...), "the log gives"},
		{"a lost row at the end", events(append(first[:5:5], audit(1, 1))...), "holds 0 keys"},
		{"another slot at the end", events(append(first[:5:5], audit(1, 1, row), audit(2, 0))...), "another replica slot 1"},
	})
}

func TestOnce(t *testing.T) {
	makeIt := func() (Watcher, []Watcher) { return newOnce(), nil }
	refused := func(o *Operation) Event {
		o.Outcome = Refused
		return Event{Kind: Returned, Operation: o}
	}
	begun := func() (*Operation, []Event) {
		o := put(1, "k", "v")
		return o, []Event{invoked(o, 1), submitted(o, 1, 1)}
	}
	with := func(more func(o *Operation) []Event) func() []Event {
		return func() []Event { o, list := begun(); return append(list, more(o)...) }
	}
	second := func(n, low uint64) []Event {
		o := put(2, "k", "w")
		return []Event{invoked(o, 2), submitted(o, n, low)}
	}
	expect(t, makeIt, []planted{
		{"once, on two replicas", with(func(o *Operation) []Event {
			return []Event{executes(1, 2, 1, "k", "v"), executes(2, 2, 1, "k", "v"), returned(o, 3, 2)}
		}), ""},
		{"twice", with(func(*Operation) []Event {
			return []Event{executes(1, 2, 1, "k", "v"), executes(1, 3, 1, "k", "v")}
		}), "is executed at"},
		{"twice, in two places", with(func(o *Operation) []Event {
			return []Event{submitted(o, 2, 1), executes(1, 2, 1, "k", "v"), executes(1, 3, 2, "k", "v")}
		}), "is executed at"},
		{"refused, and executed later", with(func(o *Operation) []Event {
			return []Event{refused(o), executes(1, 2, 1, "k", "v")}
		}), "refused as not executed"},
		{"answered, and never executed", with(func(o *Operation) []Event {
			return []Event{returned(o, 3, 2)}
		}), "no replica executed it"},
		{"answered with another place", with(func(o *Operation) []Event {
			return []Event{executes(1, 2, 1, "k", "v"), returned(o, 3, 4)}
		}), "but was executed at"},
		{"two operations in one place", with(func(*Operation) []Event { return second(1, 1) }), "is used for operations"},
		{"a low above an unknown result", with(func(*Operation) []Event { return second(2, 2) }), "is unknown"},
		{"a low above a known result", with(func(*Operation) []Event {
			return append([]Event{executes(1, 2, 1, "k", "v")}, second(2, 2)...)
		}), ""},
		{"another command under the name", with(func(*Operation) []Event {
			return []Event{executes(1, 2, 1, "k", "other")}
		}), "under the name of"},
		{"a command that nobody sent", events(executes(1, 2, 1, "k", "v")), "which nobody sent"},
	})
}

func TestOrder(t *testing.T) {
	makeIt := func() (Watcher, []Watcher) { return newOrder(), nil }
	reads := func(value string, revision uint64, at paxos.Slot) func() []Event {
		return func() []Event {
			p, q, g := put(1, "k", "old"), put(2, "k", "new"), get(3, "k")
			g.Found, g.Read, g.Revision = true, value, revision
			return []Event{
				invoked(p, 1), executes(1, 2, 1, "k", "old"), returned(p, 2, 2),
				invoked(q, 3), executes(1, 3, 2, "k", "new"), returned(q, 4, 3),
				invoked(g, 5), returned(g, 6, at),
			}
		}
	}
	expect(t, makeIt, []planted{
		{"the newest value", reads("new", 3, 3), ""},
		{"a stale read", reads("old", 2, 2), "began when the log was known through"},
		{"a wrong value", reads("old", 3, 3), "the log says"},
		{"an update before what was known", func() []Event {
			p, q := put(1, "k", "a"), put(2, "k", "b")
			return []Event{invoked(p, 1), returned(p, 2, 9), invoked(q, 3), returned(q, 4, 8)}
		}, "began when"},
	})
}

func TestDurability(t *testing.T) {
	makeIt := func() (Watcher, []Watcher) { return newDurability(), nil }
	history := func(executed bool, end paxos.Slot) func() []Event {
		return func() []Event {
			o := put(1, "k", "v")
			list := []Event{invoked(o, 1), returned(o, 2, 5)}
			if executed {
				list = append(list, executes(1, 5, 1, "k", "v"))
			}
			return append(list, Event{Kind: Audited, Agent: agentOf(1, paxos.RoleLearner), Slot: end})
		}
	}
	expect(t, makeIt, []planted{
		{"there", history(true, 5), ""},
		{"the log is shorter", history(true, 4), "ends at slot 4"},
		{"another log", history(false, 5), "holds no such update"},
	})
}

func TestLiveness(t *testing.T) {
	options := Options{ServeMax: Second, PendingMax: 2 * Second, LeadersMax: 1}
	makeIt := func() (Watcher, []Watcher) { return newLiveness(options), nil }
	phase := func(p Phase, at Time) Event { return Event{Kind: Phased, Phase: p, At: at} }
	leads := Event{Kind: Told, Agent: agentOf(1, paxos.RoleProposer), Note: &paxos.Event{Kind: paxos.EventLeading}}
	unknown := func(invokedAt, at Time) []Event {
		o := put(1, "k", "v")
		e := Event{Kind: Returned, At: at, Operation: o}
		begin := invoked(o, invokedAt)
		return []Event{begin, func() Event { o.Outcome = Unknown; return e }()}
	}
	served := func() []Event {
		o := put(1, "k", "v")
		return []Event{phase(CoreOnly, 0), invoked(o, 1), returned(o, 2, 1), phase(Healed, 3*Second), phase(Quiet, 3*Second)}
	}
	expect(t, makeIt, []planted{
		{"serves", served, ""},
		{"does not serve", events(phase(CoreOnly, 0), phase(Healed, 3*Second)), "L1"},
		{"too many leaders", events(phase(Healed, 0), leads, leads), "L4"},
		{"an operation without an end", func() []Event { return []Event{invoked(put(1, "k", "v"), 1)} }, "L5"},
		{"an operation that lasts", func() []Event {
			return []Event{invoked(put(1, "k", "v"), 1), invoked(put(2, "k", "v"), 4*Second)}
		}, "L5"},
		{"no answer long after healing", func() []Event {
			return append([]Event{phase(Healed, 0)}, unknown(2*Second, 3*Second)...)
		}, "L5"},
	})
}

func TestLinearizable(t *testing.T) {
	done := func(o *Operation, from, to Time, revision uint64) *Operation {
		o.Invoked, o.Returned, o.Outcome, o.Revision = from, to, Done, revision
		o.Found = o.Op == Get
		return o
	}
	read := func(id uint64, value string, from, to Time, revision uint64) *Operation {
		o := done(get(id, "k"), from, to, revision)
		o.Read = value
		return o
	}
	a, b := done(put(1, "k", "a"), 1, 2, 1), done(put(2, "k", "b"), 3, 4, 2)
	lost := put(3, "k", "c")
	lost.Invoked, lost.Outcome = 5, Unknown
	for _, c := range []struct {
		name    string
		history []*Operation
		ok      bool
	}{
		{"in order", []*Operation{a, b, read(9, "b", 5, 6, 2)}, true},
		{"a stale read", []*Operation{a, b, read(9, "a", 5, 6, 1)}, false},
		{"a value that nobody wrote", []*Operation{a, read(9, "z", 5, 6, 1)}, false},
		{"an unknown update that happened", []*Operation{a, b, lost, read(9, "c", 7, 8, 3)}, true},
		{"reads go back", []*Operation{a, b, read(8, "b", 5, 6, 2), read(9, "a", 7, 8, 1)}, false},
		{"a missing key", []*Operation{a, done(get(9, "k"), 3, 4, 0)}, true},
	} {
		if c.name == "a missing key" {
			c.history[1].Found = false
			c.ok = false
		}
		err := Linearizable(c.history, map[uint64]Execution{3: {At: 7, Revision: 3}})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	var crowd []*Operation
	for id := range uint64(overlapMax + 1) {
		crowd = append(crowd, done(put(id, "k", "v"), 1, 2, id+1))
	}
	if err := Linearizable(crowd, nil); !errors.Is(err, ErrUndecided) {
		t.Errorf("more operations at a time than the judge takes: %v", err)
	}
}

// TestPanel: the first violation stays, with the name of its watcher.
func TestPanel(t *testing.T) {
	p := New(Options{Replicas: 3, ServeMax: Second, PendingMax: Second, LeadersMax: 1})
	list := []Event{
		promises(1, low), promises(2, low), proposes(low, 1, "a"), proposes(low, 1, "b"), votes(1, high, 1),
	}
	for _, e := range list {
		p.Watch(&e)
	}
	p.Finish()
	if v := p.Violation(); v == nil || v.Checker != "agreement" || !strings.Contains(v.Error(), "two values") {
		t.Errorf("the panel says %v", v)
	}
}
