package agent_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"synod/core/agent"
	"synod/core/paxos"
)

// recorder is a state machine that only notes what it is told.
type recorder struct {
	durable paxos.Slot
	told    []string
	fail    error
}

func (r *recorder) Apply(entries []paxos.Entry) error {
	for _, e := range entries {
		r.told = append(r.told, fmt.Sprintf("apply %d %s", e.Slot, e.Value))
	}
	return r.fail
}

func (r *recorder) Read(done []paxos.ReadDone) {
	for _, d := range done {
		r.told = append(r.told, fmt.Sprintf("read %d at %d", d.ID, d.Applied))
	}
}

func (r *recorder) Close() error {
	r.told = append(r.told, "close")
	return r.fail
}

func (r *recorder) Durable() paxos.Slot { return r.durable }

func (r *recorder) Want(s paxos.Snapshot) { r.told = append(r.told, fmt.Sprintf("want %d", s.AtLeast)) }

func (r *recorder) Install(s paxos.Slot) error {
	r.told = append(r.told, fmt.Sprintf("install %d", s))
	r.durable = s
	return nil
}

func (r *recorder) Abandon() { r.told = append(r.told, "abandon") }

func toLearner(from paxos.ReplicaID, role paxos.Roles, m paxos.Message) paxos.Envelope {
	return paxos.Envelope{
		Cluster: paxos.ClusterID{7}, From: paxos.Address{Replica: from, Roles: role}, Incarnation: 1,
		To: paxos.Address{Replica: 1, Roles: paxos.RoleLearner}, Message: m,
	}
}

// chooseSlot is what a learner has to hear to learn a slot.
func chooseSlot(s paxos.Slot) []paxos.Envelope {
	vote := &paxos.Accepted{Ballot: ballot(1), First: s, Last: s, Vector: paxos.Vector{1, 1, 1}}
	return []paxos.Envelope{
		toLearner(2, paxos.RoleProposer, accept(1, s)),
		toLearner(1, paxos.RoleAcceptor, vote), toLearner(2, paxos.RoleAcceptor, vote),
	}
}

// TestApplyBeforeRead: a read that waits for a slot of the same batch is answered
// from a state that holds it.
func TestApplyBeforeRead(t *testing.T) {
	sink := &recorder{}
	l := agent.NewLearner(config(1), paxos.LearnerOptions{Run: 5}, sink, agent.Options{})
	var round paxos.ReadRound
	_, err := l.Deliver(agent.Input{Envelopes: []paxos.Envelope{
		toLearner(1, paxos.RoleGateway, &paxos.Read{IDs: []uint64{77}}),
	}}, func(prompt []paxos.Envelope) { round = prompt[0].Message.(*paxos.ReadQuery).Round })
	if err != nil {
		t.Fatal(err)
	}
	answer := &paxos.ReadAnswer{Round: round, Highest: 2}
	batch := []paxos.Envelope{toLearner(2, paxos.RoleAcceptor, answer), toLearner(3, paxos.RoleAcceptor, answer)}
	batch = append(append(batch, chooseSlot(2)...), chooseSlot(1)...)
	sent, err := l.Deliver(agent.Input{Envelopes: batch}, noPrompt(t))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"apply 1 v1", "apply 2 v2", "read 77 at 2"}; !slices.Equal(sink.told, want) {
		t.Errorf("the state machine is told %q, want %q", sink.told, want)
	}
	if len(sent) == 0 || sent[0].Message.Kind() != paxos.KindChosenRuns {
		t.Errorf("sends %+v, want the runs for the own acceptor", sent)
	}
	if s := l.Status(); s.Applied != 2 || s.State != "learning" || s.Role != paxos.RoleLearner {
		t.Errorf("the status is %+v", s)
	}
}

// TestFailedApplyIsFinal: nothing leaves, and the error names the slots.
func TestFailedApplyIsFinal(t *testing.T) {
	cause := errors.New("the store is gone")
	sink := &recorder{fail: cause}
	l := agent.NewLearner(config(1), paxos.LearnerOptions{Run: 5}, sink, agent.Options{})
	sent, err := l.Deliver(agent.Input{Envelopes: chooseSlot(1)}, noPrompt(t))
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), "slots 1 to 1") || len(sent) > 0 {
		t.Errorf("sends %+v with %v", sent, err)
	}
	if err := l.Close(); !errors.Is(err, cause) {
		t.Errorf("closing gives %v", err)
	}
	l.Abandon()
	if got := sink.told[1:]; !slices.Equal(got, []string{"close", "abandon"}) {
		t.Errorf("the state machine is told %q", got)
	}
}

// TestProposerAgent: no log, no state machine; ticks before messages, and its
// status and events tell what it does.
func TestProposerAgent(t *testing.T) {
	cfg := config(1)
	cfg.Replicas = 1
	p := agent.NewProposer(cfg, paxos.ProposerOptions{Run: 5}, agent.Options{})
	mail := []paxos.Envelope{toLearner(1, paxos.RoleLearner, &paxos.Applied{Slot: 0})}
	canvassed := false
	for range 40 {
		sent, err := p.Deliver(agent.Input{Envelopes: mail, Ticks: 1}, noPrompt(t))
		if err != nil {
			t.Fatal(err)
		}
		mail = nil
		for _, e := range sent {
			if e.To.Roles&paxos.RoleProposer != 0 {
				mail = append(mail, e)
			}
		}
		for _, event := range p.Events() {
			canvassed = canvassed || event.Kind == paxos.EventCanvassing
		}
	}
	if s := p.Status(); !canvassed || s.State != paxos.Preparing.String() || s.Ballot.Replica != 1 {
		t.Errorf("after 40 ticks it has canvassed (%v) and is %+v", canvassed, s)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	p.Abandon()
}
