package paxos

import (
	"fmt"
	"testing"
)

// spine is a cluster without disks, clocks or losses: messages are delivered in
// the order in which they were sent.
type spine struct {
	cfg     []Config
	roles   map[Address]Role
	order   []Address
	mail    []Envelope
	learned map[ReplicaID][]Entry
	reads   map[ReplicaID][]ReadDone
}

type noArchive struct{}

func (noArchive) Load(s Slot) Value {
	panic(fmt.Sprint("nothing was evicted, but slot ", s, " is loaded"))
}

func newSpine(n int) *spine {
	s := &spine{roles: map[Address]Role{}, learned: map[ReplicaID][]Entry{}, reads: map[ReplicaID][]ReadDone{}}
	for i := 1; i <= n; i++ {
		cfg := Config{Cluster: ClusterID{1}, Self: ReplicaID(i), Replicas: n, Incarnation: 1}
		a := NewAcceptor(cfg, AcceptorOptions{}, noArchive{})
		a.Restore(BirthRecord(cfg))
		p := NewProposer(cfg, ProposerOptions{Run: uint64(i), Seed: 7})
		l := NewLearner(cfg, LearnerOptions{Run: uint64(i)})
		for kind, role := range map[Roles]Role{RoleAcceptor: a, RoleProposer: p, RoleLearner: l} {
			s.roles[Address{cfg.Self, kind}] = role
		}
		for _, kind := range []Roles{RoleProposer, RoleAcceptor, RoleLearner} {
			s.order = append(s.order, Address{cfg.Self, kind})
		}
		s.cfg = append(s.cfg, cfg)
	}
	return s
}

// round ticks everyone and delivers until nothing is under way.
func (s *spine) round(ticks int) {
	for range ticks {
		for _, at := range s.order {
			var out Output
			s.roles[at].Tick(0, &out)
			s.roles[at].Settle(&out)
			s.take(at, &out)
		}
		s.drain()
	}
}

func (s *spine) drain() {
	for len(s.mail) > 0 {
		mail := s.mail
		s.mail = nil
		for _, at := range s.order {
			var out Output
			for _, e := range mail {
				if (e.To.Replica == Everyone || e.To.Replica == at.Replica) && e.To.Roles&at.Roles != 0 {
					s.roles[at].Step(e, &out)
				}
			}
			s.roles[at].Settle(&out)
			s.take(at, &out)
		}
	}
}

func (s *spine) take(at Address, out *Output) {
	s.mail = append(append(s.mail, out.Prompt...), out.Messages...)
	s.learned[at.Replica] = append(s.learned[at.Replica], out.Chosen...)
	s.reads[at.Replica] = append(s.reads[at.Replica], out.Reads...)
}

func (s *spine) local(r ReplicaID, to Roles, m Message) {
	cfg := s.cfg[r-1]
	s.mail = append(s.mail, cfg.envelope(RoleGateway, Address{r, to}, m))
}

// TestSpine walks the way of an update and of a read through a cluster in which
// nothing fails: whoever is asked, all learners learn the same, in one order.
func TestSpine(t *testing.T) {
	for _, n := range []int{1, 3, 5, 7} {
		s := newSpine(n)
		s.round(100)
		leaders := 0
		for r := 1; r <= n; r++ {
			if s.roles[Address{ReplicaID(r), RoleProposer}].(*Proposer).State() == Leading {
				leaders++
			}
		}
		if leaders != 1 {
			t.Fatalf("%d replicas: %d leaders after 100 ticks, want 1", n, leaders)
		}
		for i := range 20 {
			command := []byte(fmt.Sprint("command ", i))
			s.local(ReplicaID(i%n+1), RoleProposer, &Propose{Commands: [][]byte{command}})
			s.drain()
		}
		s.local(1, RoleLearner, &Read{IDs: []uint64{4711}})
		s.drain()
		for r := ReplicaID(1); int(r) <= n; r++ {
			if got := len(s.learned[r]); got != 20 {
				t.Fatalf("%d replicas: the learner of %s learned %d slots, want 20", n, r, got)
			}
			for i, entry := range s.learned[r] {
				for _, command := range entry.Value.Commands() {
					if want := fmt.Sprint("command ", i); string(command) != want || entry.Slot != Slot(i+1) {
						t.Errorf("%s learned %q in slot %d, want %q in %d", r, command, entry.Slot, want, i+1)
					}
				}
			}
		}
		if got := s.reads[1]; len(got) != 1 || got[0].ID != 4711 || got[0].Applied != 20 {
			t.Errorf("%d replicas: the read was released as %+v, want at slot 20", n, got)
		}
	}
}
