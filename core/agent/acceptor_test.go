package agent_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"synod/core/agent"
	"synod/core/paxos"
	"synod/core/wal"
)

const logDir = "acceptor"

func config(self paxos.ReplicaID) paxos.Config {
	return paxos.Config{Cluster: paxos.ClusterID{7}, Self: self, Replicas: 3, Incarnation: 1}
}

func acceptorOptions(fs vfs.FS) agent.AcceptorOptions {
	return agent.AcceptorOptions{
		Log: wal.Options{
			FS: fs, Dir: logDir, SegmentBytes: 4 << 10, FirstSegmentBytes: 4 << 10,
			Identity: wal.Identity{Cluster: paxos.ClusterID{7}, Replica: 1, Incarnation: 1},
		},
		Limits: paxos.AcceptorOptions{MemoryBytesMax: 64},
	}
}

// newDisk returns a disk with the log of a new acceptor.
func newDisk(t *testing.T) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	if err := agent.CreateAcceptor(config(1), acceptorOptions(fs)); err != nil {
		t.Fatal(err)
	}
	return fs
}

func open(t *testing.T, o agent.AcceptorOptions) *agent.Agent {
	t.Helper()
	a, err := agent.OpenAcceptor(config(1), o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func noPrompt(t *testing.T) func([]paxos.Envelope) {
	return func(sent []paxos.Envelope) { t.Errorf("%+v leaves before the sync", sent) }
}

func deliver(t *testing.T, a *agent.Agent, messages ...paxos.Message) []paxos.Envelope {
	t.Helper()
	sent, err := a.Deliver(input(messages...), func([]paxos.Envelope) {})
	if err != nil {
		t.Fatal(err)
	}
	return sent
}

func input(messages ...paxos.Message) agent.Input {
	var in agent.Input
	for _, m := range messages {
		from := paxos.Address{Replica: 2, Roles: paxos.RoleProposer}
		if m.Kind() == paxos.KindChosenRuns {
			from = paxos.Address{Replica: 1, Roles: paxos.RoleLearner}
		}
		in.Envelopes = append(in.Envelopes, paxos.Envelope{
			Cluster: paxos.ClusterID{7}, From: from, Incarnation: 1,
			To: paxos.Address{Replica: 1, Roles: paxos.RoleAcceptor}, Message: m,
		})
	}
	return in
}

func ballot(round uint64) paxos.Ballot { return paxos.Ballot{Round: round, Replica: 2, Run: 22} }

// remembered is what an acceptor reports to a ballot above all others.
func remembered(t *testing.T, a *agent.Agent) map[paxos.Slot]paxos.Entry {
	t.Helper()
	found := map[paxos.Slot]paxos.Entry{}
	top := a.Status().Ballot
	top.Round++
	for _, e := range deliver(t, a, &paxos.Prepare{Ballot: top, From: 1}) {
		m, ok := e.Message.(*paxos.Promise)
		if !ok {
			t.Fatalf("a Prepare is answered with %s %+v", e.Message.Kind(), e.Message)
		}
		for _, entry := range m.Entries {
			found[entry.Slot] = entry
		}
	}
	return found
}

// draw makes a batch of messages to an acceptor.
func draw(random *rand.Rand, round *uint64) []paxos.Message {
	var batch []paxos.Message
	for range 1 + random.IntN(4) {
		switch random.IntN(5) {
		case 0:
			*round += uint64(random.IntN(2))
			batch = append(batch, &paxos.Prepare{Ballot: ballot(*round), From: 1})
		case 1:
			first := paxos.Slot(1 + random.IntN(6))
			batch = append(batch, &paxos.ChosenRuns{Runs: []paxos.ChosenRun{{Ballot: ballot(1), First: first, Last: first}}})
		default:
			s := paxos.Slot(1 + random.IntN(8))
			b := ballot(max(1, *round-uint64(random.IntN(2))))
			value := paxos.Value(fmt.Sprintf("value of slot %d in round %d", s, b.Round))
			batch = append(batch, &paxos.Accept{Ballot: b, Slot: s, Value: value})
		}
	}
	return batch
}

// TestWhatWasSaidIsRemembered lets the power fail after each batch and, by the
// hook around the sync, in the middle of it. Whatever the acceptor has said by
// then it still knows; what the disk keeps of the rest does not matter.
func TestWhatWasSaidIsRemembered(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		fs := newDisk(t)
		said := newClaims()
		o := acceptorOptions(fs)
		var inSync *vfs.MemFS
		o.AroundSync = func(sync func() error) error {
			inSync = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100 * random.IntN(2), RNG: random})
			return sync()
		}
		a, round := open(t, o), uint64(1)
		for range 25 {
			inSync = nil
			sent, err := a.Deliver(input(draw(random, &round)...), said.take)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if inSync != nil {
				said.check(t, seed, "in the sync", inSync)
			}
			said.take(sent)
			said.check(t, seed, "after the batch", fs.CrashClone(vfs.CrashCloneCfg{}))
			if random.IntN(6) == 0 { // a crash of the role alone: the page cache survives
				a.Abandon()
				a = open(t, o)
			}
			if t.Failed() {
				t.Fatalf("seed %d fails; seeds count from 0 in this test, so the run repeats it", seed)
			}
		}
		a.Abandon()
	}
}

// claims are what an acceptor has said to others.
type claims struct {
	promised paxos.Ballot
	votes    map[paxos.Slot]paxos.Ballot
}

func newClaims() *claims { return &claims{votes: map[paxos.Slot]paxos.Ballot{}} }

func (c *claims) take(sent []paxos.Envelope) {
	for _, e := range sent {
		switch m := e.Message.(type) {
		case *paxos.Promise:
			if c.promised.Less(m.Ballot) {
				c.promised = m.Ballot
			}
		case *paxos.Accepted:
			for s := m.First; s <= m.Last; s++ {
				c.votes[s] = m.Ballot
			}
		}
	}
}

func (c *claims) check(t *testing.T, seed uint64, when string, disk vfs.FS) {
	t.Helper()
	a := open(t, acceptorOptions(disk))
	defer a.Abandon()
	if got := a.Status(); got.State != "normal" || got.Ballot.Less(c.promised) {
		t.Errorf("seed %d, power lost %s: %s (%s), remembers promise %s, gave %s",
			seed, when, got.State, got.Reason, got.Ballot, c.promised)
		return
	}
	known := remembered(t, a)
	for s, voted := range c.votes {
		want := fmt.Sprintf("value of slot %d in round %d", s, known[s].Ballot.Round)
		if known[s].Ballot.Less(voted) || string(known[s].Value) != want {
			t.Errorf("seed %d, power lost %s: slot %d was voted for in %s, remembered is %s with %q",
				seed, when, s, voted, known[s].Ballot, known[s].Value)
		}
	}
}

// TestReplayEqualsMemory: whoever lived and whoever comes back from the log answer
// alike, with values from memory and from the log.
func TestReplayEqualsMemory(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	fs := newDisk(t)
	lived := open(t, acceptorOptions(fs))
	round := uint64(1)
	for range 200 {
		deliver(t, lived, draw(random, &round)...)
	}
	restored := open(t, acceptorOptions(fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: random})))
	was, is := lived.Status(), restored.Status()
	was.Log, is.Log = wal.Stats{}, wal.Stats{}
	if was != is {
		t.Errorf("lived as %+v, restored as %+v", was, is)
	}
	for _, m := range []paxos.Message{
		&paxos.Fetch{First: 1, Last: 20, BytesMax: 1 << 20},
		&paxos.Prepare{Ballot: ballot(round + 1), From: 1},
		&paxos.Accept{Ballot: ballot(1), Slot: 1},
	} {
		if a, b := deliver(t, lived, m), deliver(t, restored, m); !reflect.DeepEqual(a, b) {
			t.Errorf("%s is answered with %+v and, after replay, with %+v", m.Kind(), a, b)
		}
	}
}

// TestOneSyncForABatch: all that waits shares one sync; what binds nobody costs none.
func TestOneSyncForABatch(t *testing.T) {
	syncs := 0
	o := acceptorOptions(newDisk(t))
	o.AroundSync = func(sync func() error) error { syncs++; return sync() }
	a := open(t, o)
	for _, c := range []struct {
		batch []paxos.Message
		want  int
	}{
		{[]paxos.Message{&paxos.Prepare{Ballot: ballot(2), From: 1}, accept(2, 1), accept(2, 2), accept(2, 3)}, 1},
		{[]paxos.Message{accept(2, 2)}, 0},
		{[]paxos.Message{accept(1, 9), &paxos.Fetch{First: 1, Last: 9}, &paxos.ReadQuery{}}, 0},
		{[]paxos.Message{&paxos.ChosenRuns{Runs: []paxos.ChosenRun{{Ballot: ballot(2), First: 1, Last: 2}}}}, 0},
		{nil, 0},
	} {
		syncs = 0
		deliver(t, a, c.batch...)
		if syncs != c.want {
			t.Errorf("%d syncs for %d messages, want %d", syncs, len(c.batch), c.want)
		}
	}
}

func accept(round uint64, s paxos.Slot) *paxos.Accept {
	return &paxos.Accept{Ballot: ballot(round), Slot: s, Value: paxos.Value(fmt.Sprintf("v%d", s))}
}

// TestPromptBeforeSync: an answer to a reader leaves before the sync, and nothing
// else does.
func TestPromptBeforeSync(t *testing.T) {
	var order []string
	o := acceptorOptions(newDisk(t))
	o.AroundSync = func(sync func() error) error {
		order = append(order, "sync")
		return sync()
	}
	o.Tap = func(_ *agent.Input, out *paxos.Output) {
		order = append(order, fmt.Sprintf("tap %d records", len(out.Records)))
	}
	a := open(t, o)
	sent, err := a.Deliver(input(accept(1, 4), &paxos.ReadQuery{}), func(prompt []paxos.Envelope) {
		for _, e := range prompt {
			order = append(order, "prompt "+e.Message.Kind().String())
			if m, ok := e.Message.(*paxos.ReadAnswer); !ok || m.Highest != 4 {
				t.Errorf("%s %+v leaves before the sync", e.Message.Kind(), e.Message)
			}
		}
	})
	if want := []string{"tap 1 records", "prompt ReadAnswer", "sync"}; err != nil || !slices.Equal(order, want) {
		t.Errorf("the order is %q, want %q (%v)", order, want, err)
	}
	if len(sent) != 3 {
		t.Errorf("%d messages are left for after the sync, want three votes", len(sent))
	}
}

// TestNoSpace: an acceptor that cannot record says nothing that rests on it, then
// refuses with the reason; the cluster goes on without it. Started again with
// space it remembers all it had said.
func TestNoSpace(t *testing.T) {
	fs := newDisk(t)
	full := false
	o := acceptorOptions(errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full && (op.Kind == errorfs.OpFileWriteAt || op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpCreate) {
			return syscall.ENOSPC
		}
		return nil
	})))
	a := open(t, o)
	deliver(t, a, accept(1, 1))
	full = true
	if sent := deliver(t, a, accept(2, 2), &paxos.Prepare{Ballot: ballot(3), From: 1}); len(sent) > 0 {
		t.Fatalf("without space it says %+v", sent)
	}
	refuses(t, a, wal.ErrNoSpace.Error())
	a.Abandon()
	full = false
	a = open(t, o)
	if known := remembered(t, a); len(known) != 1 || string(known[1].Value) != "v1" {
		t.Errorf("after the disk has space again it remembers %+v", known)
	}
}

// refuses checks that an acceptor says why it refuses, and to whom.
func refuses(t *testing.T, a *agent.Agent, reason string) {
	t.Helper()
	if s := a.Status(); s.State != "refusing" || !strings.Contains(s.Reason, reason) {
		t.Errorf("the status is %q, %q; want refusing because of %q", s.State, s.Reason, reason)
	}
	asked := input(accept(9, 9), &paxos.Prepare{Ballot: ballot(9), From: 1}, &paxos.ReadQuery{})
	sent, err := a.Deliver(asked, noPrompt(t))
	if err != nil || len(sent) != 3 {
		t.Fatalf("answers %+v, %v; want three refusals", sent, err)
	}
	for _, e := range sent {
		if m, ok := e.Message.(*paxos.Refusing); !ok || !strings.Contains(m.Reason, reason) {
			t.Errorf("answers %s %+v, want a refusal because of %q", e.Message.Kind(), e.Message, reason)
		}
	}
}

// TestFailedSyncIsFinal: after one nobody knows what the disk holds. The agent
// ends, and the next one does not trust the log.
func TestFailedSyncIsFinal(t *testing.T) {
	fs := newDisk(t)
	broken := false
	o := acceptorOptions(errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) {
			return syscall.EIO
		}
		return nil
	})))
	a := open(t, o)
	broken = true
	sent, err := a.Deliver(input(accept(1, 1)), noPrompt(t))
	if len(sent) > 0 || !errors.Is(err, wal.ErrPoisoned) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("after a failed sync it says %+v, %v", sent, err)
	}
	a.Abandon()
	broken = false
	refuses(t, open(t, o), wal.ErrPoisoned.Error())
}

// TestLostStateRefuses: whatever keeps an acceptor from proving that it remembers
// everything, it starts, votes for nobody and says why.
func TestLostStateRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		harm   func(t *testing.T, fs *vfs.MemFS, o *agent.AcceptorOptions)
		reason string
	}{
		"no log": {func(_ *testing.T, _ *vfs.MemFS, o *agent.AcceptorOptions) {
			o.Log.Dir = "elsewhere"
		}, wal.ErrNotExist.Error()},
		"a flipped byte": {func(t *testing.T, fs *vfs.MemFS, _ *agent.AcceptorOptions) {
			flip(t, fs, 1, 200)
		}, wal.ErrDamaged.Error()},
		"a missing segment": {func(t *testing.T, fs *vfs.MemFS, _ *agent.AcceptorOptions) {
			if err := fs.Remove(fs.PathJoin(logDir, segments(t, fs)[1])); err != nil {
				t.Fatal(err)
			}
		}, wal.ErrDamaged.Error()},
		"the log of another replica": {func(_ *testing.T, _ *vfs.MemFS, o *agent.AcceptorOptions) {
			o.Log.Identity.Replica = 2
		}, wal.ErrIdentity.Error()},
		"the log of another cluster": {func(_ *testing.T, _ *vfs.MemFS, o *agent.AcceptorOptions) {
			o.Log.Identity.Cluster[0]++
		}, wal.ErrIdentity.Error()},
		"a foreign file": {func(t *testing.T, fs *vfs.MemFS, _ *agent.AcceptorOptions) {
			write(t, fs, fs.PathJoin(logDir, "notes.txt"), []byte("hello"))
		}, wal.ErrForeign.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			fs := newDisk(t)
			o := acceptorOptions(fs)
			a := open(t, o)
			for s := paxos.Slot(1); s <= 200; s++ {
				deliver(t, a, accept(1, s))
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			c.harm(t, fs, &o)
			a = open(t, o)
			refuses(t, a, c.reason)
			if err := a.Close(); err != nil {
				t.Errorf("a refusing agent does not close: %v", err)
			}
		})
	}
}

// TestNoBeginning: a log that is whole, but was never an acceptor's from birth on.
func TestNoBeginning(t *testing.T) {
	fs := vfs.NewMem()
	log, err := wal.Create(acceptorOptions(fs).Log)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	refuses(t, open(t, acceptorOptions(fs)), "the log has no beginning")
}

// TestForeignRecordRefuses: bytes with a good checksum that no acceptor wrote.
func TestForeignRecordRefuses(t *testing.T) {
	fs := vfs.NewMem()
	log, err := wal.Create(acceptorOptions(fs).Log)
	if err != nil {
		t.Fatal(err)
	}
	_, err = log.Append([][]byte{{99, 1, 2, 3}}, nil)
	if err := errors.Join(err, log.Close()); err != nil {
		t.Fatal(err)
	}
	refuses(t, open(t, acceptorOptions(fs)), paxos.ErrRecord.Error())
}

// TestCreateTwice: init never takes an acceptor's memory away.
func TestCreateTwice(t *testing.T) {
	fs := newDisk(t)
	if err := agent.CreateAcceptor(config(1), acceptorOptions(fs)); !errors.Is(err, wal.ErrExists) {
		t.Errorf("creating the log again gives %v", err)
	}
}

func segments(t *testing.T, fs vfs.FS) []string {
	t.Helper()
	names, err := fs.List(logDir)
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, ".segment") })
	slices.Sort(names)
	if len(names) < 3 {
		t.Fatalf("the log has only the segments %v", names)
	}
	return names
}

// flip changes one bit of a segment.
func flip(t *testing.T, fs vfs.FS, segment int, offset int) {
	t.Helper()
	path := fs.PathJoin(logDir, segments(t, fs)[segment])
	file, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(file)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	content[offset] ^= 1
	write(t, fs, path, content)
}

func write(t *testing.T, fs vfs.FS, path string, content []byte) {
	t.Helper()
	file, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		t.Fatal(err)
	}
}
