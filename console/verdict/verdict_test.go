package verdict

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// world is a store of registers with which clients speak step by step; it can be made to lie.
type world struct {
	random   *rand.Rand
	revision uint64
	values   map[string]register
	before   map[string]register // the value that was overwritten last
	lie      string              // what goes wrong, now and then
	lies     int
}

// execute does what an operation asks for, at the moment between its begin and its end that the test has chosen.
func (w *world) execute(o *Operation) Answer {
	current := w.values[o.Key]
	if o.Kind == Get {
		if w.lie == "stale read" && w.random.IntN(40) == 0 {
			current = w.before[o.Key]
			w.lies++
		}
		return Answer{Outcome: Done, Found: current.exists, Value: current.value, Revision: current.revision, Replica: "r1"}
	}
	w.revision++
	answer := Answer{Outcome: Done, Revision: w.revision, Replica: "r2"}
	if w.lie == "lost update" && w.random.IntN(40) == 0 {
		w.lies++
		return answer
	}
	w.before[o.Key] = current
	w.values[o.Key] = register{o.Kind == Put, o.Value, w.revision}
	return answer
}

// run is a random history: clients that begin, are served and end in any order, with answers that get lost.
type run struct {
	recorder *Recorder
	world    *world
	all      []*Operation // as a judge of the whole sees them
	buffer   bytes.Buffer
	clock    time.Duration
}

type active struct {
	ticket   Ticket
	shadow   *Operation
	executed bool
	answer   Answer
}

func newRun(seed uint64, lie string) *run {
	random := rand.New(rand.NewPCG(seed, 7))
	r := &run{world: &world{random: random, values: map[string]register{}, before: map[string]register{}, lie: lie}}
	r.recorder = NewRecorder(Options{History: &r.buffer})
	r.recorder.now = func() time.Duration { r.clock += time.Millisecond; return r.clock }
	return r
}

// play lets clients work, without goroutines: the order of everything comes from the seed.
func (r *run) play(steps int) {
	random := r.world.random
	clients := make([]*active, 2+random.IntN(5))
	var late []*active
	keys := 1 + random.IntN(3)
	for range steps {
		if len(late) > 0 && random.IntN(10) == 0 {
			r.world.execute(late[0].shadow)
			late = late[1:]
		}
		at := random.IntN(len(clients))
		switch a := clients[at]; {
		case a == nil:
			clients[at] = r.begin(at, keys)
		case !a.executed && random.IntN(2) == 0:
			a.executed, a.answer = true, r.world.execute(a.shadow)
		case a.executed || random.IntN(12) == 0:
			if r.end(a) && !a.executed {
				late = append(late, a)
			}
			clients[at] = nil
		}
	}
	for _, a := range clients {
		if a != nil {
			r.end(a)
		}
	}
}

func (r *run) begin(client, keys int) *active {
	random := r.world.random
	kind := []Kind{Put, Put, Get, Get, Get, Delete}[random.IntN(6)]
	name := fmt.Sprintf("k%d", random.IntN(keys))
	for generation := 0; ; generation++ {
		ticket, state := r.recorder.Begin(client, kind, fmt.Sprintf("%s.%d", name, generation), fmt.Sprint("v", len(r.all)))
		switch state {
		case Ready:
			shadow := *ticket.operation
			r.all = append(r.all, &shadow)
			return &active{ticket: ticket, shadow: &shadow}
		case Retired:
			continue
		default:
			return nil
		}
	}
}

// end ends an operation; true if its answer is lost.
func (r *run) end(a *active) (lost bool) {
	answer := a.answer
	if !a.executed || r.world.random.IntN(15) == 0 {
		lost, answer = true, Answer{Outcome: Unknown, Failure: "timeout"}
	}
	r.recorder.End(a.ticket, answer)
	a.shadow.Return, a.shadow.Outcome, a.shadow.Found = r.clock, answer.Outcome, answer.Found
	if a.shadow.Kind == Get {
		a.shadow.Value = answer.Value
	}
	return lost
}

// whole judges everything at once, by values alone: what a register without revisions would allow.
func (r *run) whole(t *testing.T) porcupine.CheckResult {
	t.Helper()
	keys := map[string][]porcupine.Operation{}
	for _, o := range r.all {
		if o.Kind == Get && o.Outcome != Done {
			continue
		}
		asked := porcupine.Operation{ClientId: o.Client, Input: o, Call: int64(o.Call), Return: int64(o.Return)}
		if o.Outcome == Unknown {
			asked.Return = int64(forever)
		}
		keys[o.Key] = append(keys[o.Key], asked)
	}
	byValue := porcupine.Model{
		Init: func() any { return "" },
		Step: func(state, input, _ any) (bool, any) {
			switch o := input.(*Operation); o.Kind {
			case Put:
				return true, o.Value
			case Delete:
				return true, ""
			default:
				return state == o.Value, state
			}
		},
	}
	verdict := porcupine.Ok
	for _, operations := range keys {
		switch porcupine.CheckOperationsTimeout(byValue, operations, 2*time.Second) {
		case porcupine.Illegal:
			return porcupine.Illegal
		case porcupine.Unknown:
			verdict = porcupine.Unknown
		}
	}
	return verdict
}

func (r *run) finish(t *testing.T) Verdict {
	t.Helper()
	go r.recorder.Judge()
	v, err := r.recorder.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestWindowsJudgeLikeTheWhole: an honest store is OK whatever is lost on the way, and whatever a judge of the whole
// history finds, the windows find.
func TestWindowsJudgeLikeTheWhole(t *testing.T) {
	t.Parallel()
	found, lied := 0, 0
	for seed := range uint64(600) {
		lie := []string{"", "stale read", "lost update"}[seed%3]
		r := newRun(seed, lie)
		r.play(300)
		v := r.finish(t)
		whole := r.whole(t)
		if lie == "" && v.Word != OK {
			t.Fatalf("seed %d: an honest store got %s\n%v", seed, v.String(), v.Failing)
		}
		if whole == porcupine.Illegal && v.Word != Violation {
			t.Fatalf("seed %d (%s): the whole history has no order, the windows say %s", seed, lie, v.String())
		}
		if r.world.lies > 0 {
			lied++
		}
		if v.Word == Violation {
			found++
		}
		saved, err := Verify(t.Context(), &r.buffer, time.Minute)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if saved.Word != v.Word {
			t.Fatalf("seed %d: live %s, from the file %s", seed, v.String(), saved.String())
		}
	}
	// Not every lie is seen by somebody.
	if found < lied/4 {
		t.Errorf("%d of %d lying stores were found", found, lied)
	}
}

func TestShortestFailingHistoryIsShort(t *testing.T) {
	t.Parallel()
	for seed := uint64(1); seed < 200; seed += 3 {
		r := newRun(seed, "stale read")
		r.play(400)
		v := r.finish(t)
		if v.Word != Violation {
			continue
		}
		if n := len(v.Failing.Shortest); n > 4 || n > len(v.Failing.Whole) {
			t.Errorf("seed %d: %d operations of %d:\n%s", seed, n, len(v.Failing.Whole), v.Failing)
		}
		var page bytes.Buffer
		if err := v.Failing.Picture(&page); err != nil || !strings.Contains(page.String(), "<html") {
			t.Errorf("picture: %v", err)
		}
	}
}

// planted is a history written by hand, one line for each operation: client kind key value revision call return outcome.
func planted(t *testing.T, lines ...string) Verdict {
	t.Helper()
	v, err := Verify(t.Context(), strings.NewReader(strings.Join(lines, "\n")), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func line(kind, value string, revision, call, ret int, outcome string) string {
	found := kind == "get" && value != ""
	return fmt.Sprintf(`{"client":1,"op":%q,"key":"k","value":%q,"found":%t,"revision":%d,"call_ns":%d,"return_ns":%d,"outcome":%q}`,
		kind, value, found, revision, call, ret, outcome)
}

func TestPlantedHistories(t *testing.T) {
	t.Parallel()
	put := func(value string, revision, call, ret int) string {
		return line("put", value, revision, call, ret, "done")
	}
	get := func(value string, revision, call, ret int) string {
		return line("get", value, revision, call, ret, "done")
	}
	for name, c := range map[string]struct {
		want  Word
		lines []string
	}{
		"overlapping read sees the old value": {OK, []string{put("a", 1, 0, 5), put("b", 2, 10, 20), get("a", 1, 11, 19)}},
		"stale read":                          {Violation, []string{put("a", 1, 0, 5), put("b", 2, 10, 20), get("a", 1, 21, 30)}},
		"lost update":                         {Violation, []string{put("a", 1, 0, 5), get("", 0, 6, 9)}},
		"read of a value from the future":     {Violation, []string{get("a", 1, 0, 5), put("a", 1, 10, 20)}},
		"read of what nobody wrote":           {Violation, []string{get("x", 1, 0, 5)}},
		"update applied twice":                {Violation, []string{line("put", "a", 0, 0, 5, "unknown"), get("a", 1, 6, 7), put("b", 2, 8, 9), get("a", 3, 10, 12)}},
		"unknown put that is seen":            {OK, []string{line("put", "a", 0, 0, 5, "unknown"), get("", 0, 6, 7), get("a", 1, 8, 9)}},
		"unknown put seen, then gone":         {Violation, []string{line("put", "a", 0, 0, 5, "unknown"), get("a", 1, 6, 7), get("", 0, 8, 9)}},
		"unknown delete explains":             {OK, []string{put("a", 1, 0, 5), line("del", "", 0, 6, 7, "unknown"), get("a", 1, 8, 9), get("", 0, 10, 11)}},
		"unknown delete, and it comes back":   {Violation, []string{put("a", 1, 0, 5), line("del", "", 0, 6, 7, "unknown"), get("", 0, 8, 9), get("a", 1, 10, 11)}},
		"what was never sent":                 {Violation, []string{line("put", "a", 0, 0, 5, "not_done"), get("a", 1, 6, 7)}},
		"revisions against the clock":         {Violation, []string{put("a", 2, 0, 5), put("b", 1, 6, 7)}},
	} {
		if v := planted(t, c.lines...); v.Word != c.want {
			t.Errorf("%s: %s, want %s\n%v", name, v.String(), c.want, v.Failing)
		}
	}
}

// TestALongHistoryOfOneKeyIsJudgedInWindows: what a judge of the whole keeps grows with the square of its length.
func TestALongHistoryOfOneKeyIsJudgedInWindows(t *testing.T) {
	t.Parallel()
	const length = 40_000
	history := func(last string) *strings.Reader {
		var lines strings.Builder
		lines.WriteString(line("put", "ghost", 0, 0, 5, "unknown") + "\n")
		for i := 1; i <= length; i++ {
			value := fmt.Sprintf("v%d", i)
			lines.WriteString(line("put", value, i, 20*i, 20*i+10, "done") + "\n")
			lines.WriteString(line("get", value, i, 20*i+5, 20*i+15, "done") + "\n")
		}
		lines.WriteString(last)
		return strings.NewReader(lines.String())
	}
	for last, want := range map[string]Word{
		line("get", fmt.Sprintf("v%d", length), length, 30*length, 30*length+1, "done"): OK,
		line("get", "ghost", length+1, 30*length, 30*length+1, "done"):                  OK,
		line("get", "ghost", length/2, 30*length, 30*length+1, "done"):                  Violation,
		line("get", "v7", 7, 30*length, 30*length+1, "done"):                            Violation,
	} {
		v, err := Verify(t.Context(), history(last), time.Minute)
		if err != nil || v.Word != want {
			t.Errorf("%s: %s, %v, want %s", last, v.String(), err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ctx, history(""), time.Minute); err == nil {
		t.Error("Verify does not end with its context")
	}
}

func TestFileErrorsNameTheLine(t *testing.T) {
	t.Parallel()
	good := line("put", "a", 1, 0, 5, "done")
	for _, c := range []struct{ text, want string }{
		{"", "empty"},
		{good + "\n{", "line 2"},
		{strings.Replace(good, `"put"`, `"cas"`, 1), `unknown op "cas"`},
		{strings.Replace(good, `"done"`, `"maybe"`, 1), `unknown outcome "maybe"`},
		{strings.Replace(good, `"return_ns":5`, `"return_ns":-5`, 1), "before it began"},
		{strings.Replace(good, `"revision":1`, `"revision":0`, 1), "no revision"},
	} {
		if _, err := Verify(t.Context(), strings.NewReader(c.text), time.Minute); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.text, err, c.want)
		}
	}
}

// TestNothingIsDropped: with a judge that does not come, the load is told to wait; with one, all is judged in the end.
func TestNothingIsDropped(t *testing.T) {
	t.Parallel()
	r := NewRecorder(Options{})
	begun := 0
	for i := range WaitingMax + 10 {
		ticket, state := r.Begin(0, Get, fmt.Sprint("k", i%1000), "")
		if state == Behind {
			continue
		}
		begun++
		r.End(ticket, Answer{Outcome: Done})
	}
	if v := r.Verdict(); begun != WaitingMax || v.Waiting != WaitingMax || v.Slowed != 10 {
		t.Errorf("begun %d, verdict %s, slowed %d", begun, v.String(), v.Slowed)
	}
	go r.Judge()
	v, err := r.Finish(t.Context())
	if err != nil || v.Word != OK || v.Checked != WaitingMax || v.Waiting != 0 || v.Keys != 1000 {
		t.Errorf("%s, error %v", v.String(), err)
	}
}

func TestOpenOperationIsUndecided(t *testing.T) {
	t.Parallel()
	r := NewRecorder(Options{})
	if _, state := r.Begin(0, Put, "k", "a"); state != Ready {
		t.Fatal(state)
	}
	go r.Judge()
	if v, err := r.Finish(t.Context()); err != nil || v.Word != Undecided {
		t.Errorf("%s, error %v", v.String(), err)
	}
}

func TestFinishEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := NewRecorder(Options{})
	ticket, _ := r.Begin(0, Put, "k", "a")
	r.End(ticket, Answer{Outcome: Done, Revision: 1})
	if v, err := r.Finish(ctx); err == nil || v.Word != Undecided {
		t.Errorf("without a judge: %s, error %v", v.String(), err)
	}
}

// BenchmarkRecord is what one operation costs the load, without the judge.
func BenchmarkRecord(b *testing.B) {
	r := NewRecorder(Options{})
	go r.Judge()
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprint("key", i)
	}
	for i := 0; b.Loop(); i++ {
		ticket, state := r.Begin(0, Put, names[i%1000], "value")
		if state != Ready {
			time.Sleep(time.Millisecond) // as a load does; a benchmark's own pause
			continue
		}
		r.End(ticket, Answer{Outcome: Done, Revision: uint64(i + 1)})
	}
	if _, err := r.Finish(b.Context()); err != nil {
		b.Fatal(err)
	}
}
