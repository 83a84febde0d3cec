package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"synod/core/kv"
	"synod/core/paxos"
	"synod/core/sim/check"
	"synod/core/sim/disk"
)

// TestScenarios plays what is written in testdata: what happens when … ? Each file
// is a story of one cluster. What it prints is compared; -rewrite prints it anew.
//
//	cluster replicas=N leader=rX   a new cluster in which rX leads; with "cuts"
//	                               acceptors keep only what no store holds durably
//	put|get|del client=N at=rX …   an operation, until it is answered; with
//	                               "begin" it goes on in the background
//	ask at=rX                      clients that ask again ask there
//	await                          until all operations are answered
//	run for=MILLIS | until=(rX leads)
//	crash|start|pause|resume WHO…  rX, or rX.role
//	power WHO…                     crash with the loss of everything not synced
//	wipe rX.acceptor|rX.store|rX|rX.folder…  down, and its log, its store, both, or
//	                               both and the identity are gone; "start" it then
//	flush rX…                      what rX has applied is durable
//	cut|mend rX->rY rX<->rY …      links; "mend all"
//	starve KIND from=rX to=rY      one kind of messages is lost; "mend all" ends it
//	rot rX                         a byte in the middle of the log changes
//	status                         a line for each replica
//	check                          are all promises kept?
//
// The argument "quiet" prints nothing of what happens meanwhile, "show=(A,B)" only
// messages of these kinds and what was chosen.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var s *script
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "cluster" {
				s = newScript(t, d)
			}
			return s.play(t, d)
		})
	})
}

// script is a cluster under the hand of an author.
type script struct {
	*cluster
	out   strings.Builder
	quiet bool
	show  []string
	open  []*call
	// merged collects equal messages of one step, to be printed as one line.
	merged struct {
		who, text string
		step      uint64
		to        []string
	}
}

func newScript(t *testing.T, d *datadriven.TestData) *script {
	options := Options{
		Seed: 1, Replicas: 5, Scripted: true, ServeMax: 12 * check.Second,
		SegmentBytes: 1024, SyncMin: 200, MailboxMax: 1024, StorePendingMax: 256,
		TickMin: 10 * check.Millisecond, TickMax: 10 * check.Millisecond,
		Network:  NetworkOptions{DelayMin: check.Millisecond, Ordered: true, FlightMax: 1000},
		Sessions: SessionOptions{Max: 1000, GuardSlots: 1000},
		Workload: WorkloadOptions{
			Clients: 4, Keys: 1, Pipeline: 4, ValueBytesMax: 1,
			AttemptMax: 400 * check.Millisecond, DeadlineMax: 5 * check.Second,
		},
		Faults: FaultOptions{DownMax: 50 * check.Millisecond, LostMax: 2},
	}
	d.MaybeScanArgs(t, "replicas", &options.Replicas)
	options.Acceptor.Cuts = d.HasArg("cuts")
	options.FlushEvery = 1000 * check.Second // only when the author says so
	s := &script{cluster: newCluster(options, nil)}
	s.watch = s.see
	s.quiet = true
	s.boot()
	s.faults.on = false
	var leader string
	d.ScanArgs(t, "leader", &leader)
	for i, r := range s.replicas {
		if r.id != s.replica(t, leader).id { // nobody else may campaign
			s.network.starved[i] = starvation{on: true, kind: paxos.KindCanvass, from: r.id}
		}
	}
	s.runUntil(t, leader+" leads")
	s.network.heal(everyone(options.Replicas))
	s.runFor(300 * check.Millisecond)
	return s
}

// play does one command of the story.
func (s *script) play(t *testing.T, d *datadriven.TestData) string {
	s.out.Reset()
	s.quiet = d.HasArg("quiet")
	s.show = nil
	for _, arg := range d.CmdArgs {
		if arg.Key == "show" {
			s.show = arg.Vals
		}
	}
	switch d.Cmd {
	case "cluster":
		s.quiet = true
	case "put", "get", "del":
		s.operate(t, d)
	case "await":
		s.until(s.now+10*check.Second, func() bool { return s.answered() })
		s.runFor(5 * check.Millisecond)
	case "run":
		s.run(t, d)
	case "ask":
		var at string
		d.ScanArgs(t, "at", &at)
		s.core = only(s.replica(t, at).id)
	case "crash", "power", "wipe", "flush", "start", "pause", "resume", "rot":
		s.handle(t, d)
	case "cut", "mend", "starve":
		s.links(t, d)
	case "status":
		s.status()
	case "check":
		s.panel.Finish()
		fmt.Fprintln(&s.out, "all promises kept")
	default:
		t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
	}
	s.flushMerged()
	if v := s.violation(); v != nil {
		fmt.Fprintln(&s.out, "VIOLATION", v)
	}
	return s.out.String()
}

func (s *script) answered() bool {
	for _, q := range s.open {
		if !q.over {
			return false
		}
	}
	return true
}

func (s *script) replica(t *testing.T, name string) *replica {
	for _, r := range s.replicas {
		if r.id.String() == name {
			return r
		}
	}
	t.Fatalf("no replica %q", name)
	return nil
}

// operate lets a client begin an operation at one replica.
func (s *script) operate(t *testing.T, d *datadriven.TestData) {
	var number int
	var at, key, value string
	d.ScanArgs(t, "client", &number)
	d.ScanArgs(t, "at", &at)
	d.ScanArgs(t, "key", &key)
	d.MaybeScanArgs(t, "value", &value)
	k := s.clients[number-1]
	o := &check.Operation{Client: number, Key: key, Value: value}
	o.Op = map[string]kv.Op{"put": kv.Put, "del": kv.Delete, "get": check.Get}[d.Cmd]
	s.core = only(s.replica(t, at).id)
	q := &call{client: k, operation: o, oneShot: d.HasArg("oneshot")}
	s.asking = true
	k.begin(q)
	s.open = append(s.open, q)
	if d.HasArg("begin") {
		return
	}
	s.until(s.now+10*check.Second, func() bool { return q.over })
	s.runFor(5 * check.Millisecond)
}

func (s *script) run(t *testing.T, d *datadriven.TestData) {
	var millis int
	var until string
	d.MaybeScanArgs(t, "for", &millis)
	d.MaybeScanArgs(t, "until", &until)
	if until != "" {
		s.runUntil(t, until)
	}
	s.runFor(check.Time(millis) * check.Millisecond)
}

func (s *script) runFor(time check.Time) { s.until(s.now+time, nil) }

func (s *script) runUntil(t *testing.T, condition string) {
	who, _, _ := strings.Cut(condition, " ")
	r := s.replica(t, who)
	s.until(s.now+10*check.Second, func() bool { return r.proposer.leads })
	if !r.proposer.leads {
		t.Fatalf("%s does not lead after 10 s", who)
	}
}

// handle does something to replicas or roles.
func (s *script) handle(t *testing.T, d *datadriven.TestData) {
	for _, arg := range d.CmdArgs {
		if arg.Key == "quiet" || arg.Key == "show" {
			continue
		}
		name, _, _ := strings.Cut(arg.Key, ".")
		r := s.replica(t, name)
		switch d.Cmd {
		case "crash":
			s.crashWho(t, arg.Key, disk.Killed)
		case "power":
			s.crashWho(t, arg.Key, disk.LoseAll)
		case "wipe":
			s.wipe(t, arg.Key)
		case "flush":
			r.flushAt = s.now
			r.flush()
		case "start":
			r.start()
			s.each(t, arg.Key, r.startRole)
		case "pause":
			s.each(t, arg.Key, func(h *host) { h.paused++ })
		case "resume":
			s.each(t, arg.Key, func(h *host) { h.paused = 0; h.wake() })
		case "rot":
			r.mayFail = true
			if _, _, ok := r.disk.Rot(r.logDir(), segmentHeadBytes); !ok {
				t.Fatal("nothing can rot")
			}
		}
	}
	s.runFor(check.Millisecond / 2)
}

// each calls a function for the roles that a name means: all of a replica, or one.
func (s *script) each(t *testing.T, name string, do func(*host)) {
	replica, role, one := strings.Cut(name, ".")
	for _, h := range s.replica(t, replica).hosts() {
		if !one || h.address.Roles.String() == role {
			do(h)
		}
	}
}

func (s *script) crashWho(t *testing.T, name string, way disk.Crash) {
	if !strings.Contains(name, ".") {
		s.replica(t, name).crash(way, "crash")
		return
	}
	s.each(t, name, func(h *host) { h.replica.crashRole(h, way, "crash") })
}

// wipe loses state. The author has the permit for it.
func (s *script) wipe(t *testing.T, name string) {
	replica, what, _ := strings.Cut(name, ".")
	r := s.replica(t, replica)
	s.faults.lost = s.faults.lost.with(r.id)
	s.faults.lostLives[r.id] = r.acceptor.life
	switch what {
	case "acceptor":
		r.crashRole(r.acceptor, disk.Killed, "crash")
		r.loseLog()
	case "store":
		r.crashRole(r.acceptor, disk.Killed, "crash")
		r.crashRole(r.learner, disk.Killed, "crash")
		r.loseStore()
	case "", "folder":
		r.crash(disk.Killed, "crash")
		r.loseLog()
		r.loseStore()
		if what == "folder" {
			r.incarnation = 1
			r.loseLog()
		}
	default:
		t.Fatalf("nothing called %q can be wiped", name)
	}
}

// links cuts and mends.
func (s *script) links(t *testing.T, d *datadriven.TestData) {
	by := map[string]int{"cut": 1, "mend": -1}[d.Cmd]
	for i, arg := range d.CmdArgs {
		switch {
		case d.Cmd == "starve" && i == 0:
			s.starve(t, d, arg.Key)
		case arg.Key == "all":
			s.network.heal(everyone(s.options.Replicas))
		case strings.Contains(arg.Key, "<->"):
			a, b, _ := strings.Cut(arg.Key, "<->")
			s.network.cutBetween(only(s.replica(t, a).id), only(s.replica(t, b).id), by)
			s.network.cutBetween(only(s.replica(t, b).id), only(s.replica(t, a).id), by)
		case strings.Contains(arg.Key, "->"):
			a, b, _ := strings.Cut(arg.Key, "->")
			s.network.cutBetween(only(s.replica(t, a).id), only(s.replica(t, b).id), by)
		}
	}
}

func (s *script) starve(t *testing.T, d *datadriven.TestData, name string) {
	v := starvation{on: true}
	for v.kind = 1; v.kind.String() != name; v.kind++ {
		if v.kind > 100 {
			t.Fatalf("no kind of message is called %q", name)
		}
	}
	var from, to string
	if d.MaybeScanArgs(t, "from", &from); from != "" {
		v.from = s.replica(t, from).id
	}
	if d.MaybeScanArgs(t, "to", &to); to != "" {
		v.to = s.replica(t, to).id
	}
	i := slices.IndexFunc(s.network.starved[:], func(old starvation) bool { return !old.on })
	if i < 0 {
		t.Fatal("too many starvations at a time")
	}
	s.network.starved[i] = v
}

// status prints a line for each replica.
func (s *script) status() {
	for _, r := range s.replicas {
		line := r.id.String()
		for _, h := range r.hosts() {
			if h.agent == nil {
				line += "  " + h.address.Roles.String() + " down"
				continue
			}
			st := h.agent.Status()
			switch h.address.Roles {
			case paxos.RoleProposer:
				line += fmt.Sprintf("  %s (hears %s)", st.State, st.Leader)
			case paxos.RoleAcceptor:
				if st.State != "normal" {
					line += "  " + st.State + ": " + tidy(st.Reason)
					continue
				}
				line += fmt.Sprintf("  %s, promised %s, voted %d", st.State, st.Ballot, st.Voted)
			default:
				line += fmt.Sprintf("  applied %d", st.Applied)
			}
		}
		fmt.Fprintln(&s.out, line)
	}
}

// hiddenKinds are messages that tell no story.
const hiddenKinds = "Heartbeat HeartbeatReply Applied ChosenRuns Checkpoint Revived"

// see prints what an author wants to see of an event.
func (s *script) see(e *check.Event) {
	if s.quiet {
		return
	}
	if e.Kind == check.Sent {
		s.seeMessage(e)
		return
	}
	s.flushMerged()
	switch e.Kind {
	case check.Started, check.Stopped, check.Told, check.Chose, check.Invoked, check.Returned:
	case check.Noted:
		if s.show != nil || strings.HasPrefix(e.Reason, "durable: told") {
			return
		}
	case check.Executed:
		if s.show != nil && !e.Result.Repeated {
			return
		}
	default:
		return
	}
	fmt.Fprintln(&s.out, tidy(Line(e)))
}

// tidy leaves out the details of a diagnosis, which are the log's to test.
func tidy(line string) string {
	line, _, _ = strings.Cut(line, `: "/acceptor`)
	if before, after, ok := strings.Cut(line, `: no directory "/acceptor`); ok {
		_, after, _ = strings.Cut(after, "; ")
		line = before + "; " + after
	}
	return strings.TrimRight(line, " ")
}

// seeMessage collects equal messages of one step.
func (s *script) seeMessage(e *check.Event) {
	kind := e.Envelope.Message.Kind().String()
	if s.show == nil && slices.Contains(strings.Fields(hiddenKinds), kind) ||
		s.show != nil && !slices.Contains(s.show, kind) {
		return
	}
	who, text, to := e.Agent.String(), Describe(e.Envelope.Message), e.Envelope.To.String()
	m := &s.merged
	if m.who != who || m.text != text || m.step != e.Step {
		s.flushMerged()
		m.who, m.text, m.step = who, text, e.Step
	}
	m.to = append(m.to, to)
}

func (s *script) flushMerged() {
	m := &s.merged
	if len(m.to) == 0 {
		return
	}
	to := strings.Join(m.to, " ")
	if len(m.to) == s.options.Replicas {
		to = "r*.learner"
		for _, one := range m.to {
			if strings.Contains(one, "proposer+") {
				to += " " + strings.Replace(one, "+learner", "", 1)
			}
		}
	}
	fmt.Fprintf(&s.out, "%-12s  -> %-22s %s\n", m.who, to, tidy(m.text))
	m.to = m.to[:0]
}
