package agent_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"synod/core/agent"
	"synod/core/paxos"
	"synod/core/wal"
)

// home is what a host keeps outside of the log: the number of the present life, and
// a directory for the log of each.
type home struct {
	fs      *vfs.MemFS
	life    paxos.Incarnation
	renewed int
}

func (h *home) log() wal.Options {
	o := acceptorOptions(h.fs).Log
	o.Dir = fmt.Sprintf("%s-%d", logDir, h.life)
	o.Identity.Incarnation = uint64(h.life)
	return o
}

func (h *home) options() agent.AcceptorOptions {
	o := acceptorOptions(h.fs)
	o.Log = h.log()
	o.Limits.Run = [16]byte{1, byte(h.life)}
	o.Limits.RecoverTicks = 1
	o.Renew = func(life paxos.Incarnation) (wal.Options, error) {
		h.life = life
		h.renewed++
		return h.log(), nil
	}
	return o
}

func (h *home) open(t *testing.T) *agent.Agent {
	t.Helper()
	cfg := config(1)
	cfg.Incarnation = h.life
	a, err := agent.OpenAcceptor(cfg, h.options())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// fromAcceptor is a message of another acceptor, in its first life.
func fromAcceptor(r paxos.ReplicaID, m paxos.Message) paxos.Envelope {
	return paxos.Envelope{
		Cluster: paxos.ClusterID{7}, From: paxos.Address{Replica: r, Roles: paxos.RoleAcceptor}, Incarnation: 1,
		To: paxos.Address{Replica: 1, Roles: paxos.RoleAcceptor}, Message: m,
	}
}

func tick(t *testing.T, a *agent.Agent, envelopes ...paxos.Envelope) []paxos.Envelope {
	t.Helper()
	sent, err := a.Deliver(agent.Input{Envelopes: envelopes, Ticks: 1}, noPrompt(t))
	if err != nil {
		t.Fatal(err)
	}
	return sent
}

// tellAll lets r2 and r3 tell what they hold to the attempt of a nonce.
func tellAll(t *testing.T, a *agent.Agent, nonce paxos.Nonce, life paxos.Incarnation) {
	t.Helper()
	for r := paxos.ReplicaID(2); r <= 3; r++ {
		vector := paxos.Vector{life, 1, 1}
		entries := []paxos.Entry{{Slot: 4, Ballot: ballot(uint64(r)), Value: paxos.Value("v4")}}
		tick(t, a, fromAcceptor(r, &paxos.RecoverState{
			Nonce: nonce, Incarnation: life, Vector: vector, Promised: ballot(5), Floor: 3, From: 1, Through: 4,
			Last: true, Entries: entries,
		}))
	}
}

// askForLife brings a lost acceptor to the point where it has a new life.
func askForLife(t *testing.T, a *agent.Agent) paxos.Nonce {
	t.Helper()
	var nonce paxos.Nonce
	for _, e := range tick(t, a) {
		if m, ok := e.Message.(*paxos.RecoverQuery); ok {
			nonce = m.Nonce
		}
	}
	for r := paxos.ReplicaID(2); r <= 3; r++ {
		tick(t, a, fromAcceptor(r, &paxos.RecoverInfo{Nonce: nonce, Known: 1}))
	}
	return nonce
}

func checkpoint(slot paxos.Slot) paxos.Envelope {
	return paxos.Envelope{
		Cluster: paxos.ClusterID{7}, From: paxos.Address{Replica: 1, Roles: paxos.RoleLearner}, Incarnation: 1,
		To: paxos.Address{Replica: 1, Roles: paxos.RoleAcceptor}, Message: &paxos.Checkpoint{Slot: slot},
	}
}

// TestLostLogComesBack: a lost log leads through a new life, with a log of its own,
// to an acceptor that remembers what the others told; a crash on the way begins anew.
func TestLostLogComesBack(t *testing.T) {
	h := &home{fs: vfs.NewCrashableMem(), life: 1}
	a := h.open(t)
	if s := a.Status(); s.State != "recovering" || !strings.Contains(s.Reason, "0 of 2") {
		t.Fatalf("an acceptor without a log is %q: %s", s.State, s.Reason)
	}
	nonce := askForLife(t, a)
	if h.life != 2 || h.renewed != 1 {
		t.Fatalf("life %d after %d renewals", h.life, h.renewed)
	}
	tellAll(t, a, nonce, h.life)
	if s := a.Status(); s.State != "recovering" || s.Floor != 3 {
		t.Fatalf("it is %q with floor %d before the store holds what was cut", s.State, s.Floor)
	}

	// It dies before it is complete: all begins again, in another life.
	h.fs = h.fs.CrashClone(vfs.CrashCloneCfg{})
	a.Abandon()
	a = h.open(t)
	if s := a.Status(); s.State != "recovering" {
		t.Fatalf("half a recovery is %q", s.State)
	}
	nonce = askForLife(t, a)
	tellAll(t, a, nonce, h.life)
	tick(t, a, checkpoint(3))
	if s := a.Status(); s.State != "normal" || s.Incarnation != 3 || s.Ballot != ballot(5) {
		t.Fatalf("recovered as %+v", s)
	}
	a.Abandon()

	h.fs = h.fs.CrashClone(vfs.CrashCloneCfg{})
	a = h.open(t)
	defer a.Abandon()
	if s := a.Status(); s.State != "refusing" || s.Floor != 3 {
		t.Fatalf("restarted it is %q with floor %d: it has to wait for its store", s.State, s.Floor)
	}
	tick(t, a, checkpoint(4))
	known := remembered(t, a)
	if len(known) != 1 || known[4].Ballot != ballot(3) {
		t.Errorf("it remembers %+v", known)
	}
	if h.renewed != 2 {
		t.Errorf("%d lives were begun", h.renewed)
	}
}

// TestLogIsCut: the log holds only what lies above the floor, and what else may not
// be forgotten, however long the acceptor lives and wherever its power fails.
func TestLogIsCut(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 2))
		fs := newDisk(t)
		o := func(fs vfs.FS) agent.AcceptorOptions {
			o := acceptorOptions(fs)
			o.Log.SegmentBytes, o.Log.FirstSegmentBytes = 1<<10, 1<<10
			o.Limits.Cuts, o.Limits.KeepSlots = true, 3
			return o
		}
		a, durable := open(t, o(fs)), paxos.Slot(0)
		segments := 0
		for s := paxos.Slot(1); s <= 300; s++ {
			deliver(t, a, accept(1, s))
			if random.IntN(8) == 0 {
				durable = s
				tick(t, a, checkpoint(durable))
			}
			segments = max(segments, a.Status().Log.Segments)
			if random.IntN(20) == 0 {
				fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random})
				a.Abandon()
				a = open(t, o(fs))
				tick(t, a, checkpoint(durable))
			}
			status := a.Status()
			if status.State != "normal" || status.Floor > durable {
				t.Fatalf("seed %d: after slot %d it is %s (%s), floor %d, durable %d",
					seed, s, status.State, status.Reason, status.Floor, durable)
			}
			if random.IntN(10) == 0 {
				holds(t, a, s)
			}
		}
		if segments > 25 {
			t.Errorf("seed %d: the log grew to %d segments", seed, segments)
		}
		a.Abandon()
	}
}

// holds: everything above the floor is there.
func holds(t *testing.T, a *agent.Agent, last paxos.Slot) {
	t.Helper()
	for _, e := range deliver(t, a, &paxos.Fetch{First: 1, Last: last, BytesMax: 1 << 20}) {
		held := e.Message.(*paxos.Held)
		if int(last-held.Floor) != len(held.Entries) {
			t.Errorf("%d entries above floor %d, the last slot is %d", len(held.Entries), held.Floor, last)
		}
		for _, entry := range held.Entries {
			if string(entry.Value) != fmt.Sprintf("v%d", entry.Slot) {
				t.Errorf("slot %d holds %q", entry.Slot, entry.Value)
			}
		}
	}
}
