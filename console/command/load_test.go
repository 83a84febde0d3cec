package command

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"synod/console/verdict"
	"synod/console/workload"
)

// loadStore serves the load of a test; it can answer reads from the past.
type loadStore struct {
	mutex     sync.Mutex
	revision  uint64
	now, past map[string]verdict.Answer
	lies      bool
	fails     bool
}

func (s *loadStore) Do(_ context.Context, r workload.Request) verdict.Answer {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	key := string(r.Key)
	if s.fails && r.Kind == verdict.Get {
		return verdict.Answer{Outcome: verdict.Unknown, Failure: "no_quorum"}
	}
	if r.Kind == verdict.Get {
		if old, ok := s.past[key]; ok && s.lies {
			return old
		}
		answer := s.now[key]
		answer.Outcome = verdict.Done
		return answer
	}
	s.revision++
	if before, ok := s.now[key]; ok && before.Found {
		s.past[key] = before
	}
	s.now[key] = verdict.Answer{
		Outcome: verdict.Done, Found: r.Kind == verdict.Put, Value: string(r.Value), Revision: s.revision,
	}
	if r.Kind == verdict.Delete {
		s.now[key] = verdict.Answer{Outcome: verdict.Done}
		delete(s.past, key)
	}
	return verdict.Answer{Outcome: verdict.Done, Revision: s.revision}
}

// playLoad runs a script against a store and gives what was written.
func playLoad(t *testing.T, store *loadStore, settings Settings, script string) (string, Summary, *workload.Loader) {
	t.Helper()
	store.now, store.past = map[string]verdict.Answer{}, map[string]verdict.Answer{}
	loader := workload.NewLoader(t.Context(), func(context.Context, workload.Profile) (workload.Store, io.Closer, error) {
		return store, io.NopCloser(strings.NewReader("")), nil
	}, t.TempDir(), nil)
	fake := newFake()
	grammar := NewGrammar(fiveReplicas)
	statements, err := NewParser(grammar, nil).Script("test", []byte(script))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	e := NewExecutor(grammar, Ports{
		Cluster: fake, Operator: fake, Load: loader, Output: NewText(&out, &out),
	}, settings)
	e.Run(t.Context(), statements)
	e.EndLoad()
	return out.String(), e.Finish(), loader
}

func TestLoadRunsAndIsJudged(t *testing.T) {
	t.Parallel()
	text, summary, _ := playLoad(t, &loadStore{}, Settings{}, strings.Join([]string{
		"load start contended clients=4 keys=20", "load apply clients=8", "sleep 300ms", "assert linearizable", "load status",
		"load stop", "load save", "check throughput>=1 errors<=0% p99<=10s",
	}, "\n"))
	if summary.ExitCode() != ExitOK || summary.Unmet > 0 {
		t.Errorf("exit code %d:\n%s", summary.ExitCode(), text)
	}
	for _, want := range []string{"UNKNOWN", "linearizability: OK: ", ".jsonl", "PASS", "<= "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestLoadOfALyingStoreExitsWithFive(t *testing.T) {
	t.Parallel()
	text, summary, loader := playLoad(t, &loadStore{lies: true}, Settings{}, strings.Join([]string{
		"load start contended keys=5", "sleep 500ms", "assert linearizable", "load stop", "load save",
	}, "\n"))
	if summary.ExitCode() != ExitViolation || !strings.Contains(text, "no order of these operations on key") {
		t.Errorf("exit code %d:\n%s", summary.ExitCode(), text)
	}
	files, err := loader.Save()
	if err != nil || len(files) != 2 || filepath.Ext(files[1]) != ".html" {
		t.Fatalf("files %v, error %v", files, err)
	}
	text, summary, _ = playLoad(t, &loadStore{}, Settings{}, "verify "+files[0])
	if summary.ExitCode() != ExitViolation {
		t.Errorf("verify: exit code %d:\n%s", summary.ExitCode(), text)
	}
}

func TestCheckFailsWithItsCause(t *testing.T) {
	t.Parallel()
	text, summary, _ := playLoad(t, &loadStore{fails: true}, Settings{}, "check mixed errors<=1% time=1s clients=4 keys=100")
	if summary.ExitCode() != ExitUnmet || !strings.Contains(text, "FAIL") || !strings.Contains(text, "no_quorum") {
		t.Errorf("exit code %d:\n%s", summary.ExitCode(), text)
	}
}

func TestNothingAnsweredIsNotQuick(t *testing.T) {
	t.Parallel()
	store := &loadStore{fails: true}
	text, summary, _ := playLoad(t, store, Settings{}, "check mixed p99<=10s put=0 get=100 del=0 time=1s clients=2 keys=10")
	if summary.ExitCode() != ExitUnmet || !strings.Contains(text, "nothing was answered") {
		t.Errorf("exit code %d:\n%s", summary.ExitCode(), text)
	}
}

func TestLoadIsRefused(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"load stop":                     "no load was started",
		"load save":                     "no load was started",
		"load apply clients=3":          "no load was started",
		"load status":                   "no load was started",
		"assert linearizable":           "no load was started",
		"verify /nowhere/history.jsonl": "no such file",
	} {
		text, summary, _ := playLoad(t, &loadStore{}, Settings{}, script)
		if summary.ExitCode() == ExitOK || !strings.Contains(text, want) {
			t.Errorf("%s: exit code %d, %s", script, summary.ExitCode(), text)
		}
	}
	for _, script := range []string{
		"load start mixed", "check mixed time=1s", "load start mixed put=0 get=100 del=0\nload apply put=50 get=50",
	} {
		store := &loadStore{}
		text, summary, _ := playLoad(t, store, Settings{ReadOnly: true}, script)
		if summary.ExitCode() == ExitOK || !strings.Contains(text, "read-only") {
			t.Errorf("read-only: exit code %d, %s", summary.ExitCode(), text)
		}
		if store.revision > 0 {
			t.Errorf("read-only: %s has changed the store %d times", script, store.revision)
		}
	}
}

func TestLoadWordsAreChecked(t *testing.T) {
	t.Parallel()
	parser := NewParser(NewGrammar(fiveReplicas), nil)
	for line, want := range map[string]string{
		"load":                        "ACTION",
		"load go":                     "start",
		"load start fast":             "mixed",
		"load stop now":               "PROFILE",
		"load apply":                  "something to change",
		"load start put=60 get=60":    "add up to 100",
		"load start clients=0":        "clients",
		"check throughput<=5":         ">=",
		"check p99<=fast":             "duration",
		"check errors<=200%":          "hundred",
		"check errors<=NaN":           "hundred",
		"check throughput>=NaN":       "number",
		"check quickly":               "neither a profile",
		"check mixed p99<=5ms keys=x": "keys",
	} {
		if _, err := parser.Line(line, Position{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	for _, line := range []string{
		"load run contended time=5s rate=100 put=30 del=10", "check", "check read-heavy p999<=1s time=2s", "load start ${env:HOME}",
	} {
		if _, err := parser.Line(line, Position{}); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestStopEndsALoadThatIsWaitedFor: ctrl-C must not have to wait for the load's own end.
func TestStopEndsALoadThatIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"load run contended time=60m", "check contended errors<=1% time=60m"} {
		store := &loadStore{now: map[string]verdict.Answer{}, past: map[string]verdict.Answer{}}
		begun := make(chan struct{})
		loader := workload.NewLoader(t.Context(), func(context.Context, workload.Profile) (workload.Store, io.Closer, error) {
			close(begun)
			return store, io.NopCloser(strings.NewReader("")), nil
		}, "", nil)
		grammar := NewGrammar(fiveReplicas)
		statements, err := NewParser(grammar, nil).Script("t", []byte(script))
		if err != nil {
			t.Fatal(err)
		}
		e := NewExecutor(grammar, Ports{Load: loader, Output: NewText(io.Discard, io.Discard), Log: NewLog(io.Discard)}, Settings{})
		go func() {
			<-begun
			e.Stop()
		}()
		e.Run(t.Context(), statements)
		if p, _ := loader.Progress(); p.Running {
			t.Errorf("%s: the load goes on", script)
		}
	}
}

func TestBatchThatEndsStopsItsLoad(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	text, summary, loader := playLoad(t, &loadStore{}, Settings{}, "load start contended time=60m")
	if p, _ := loader.Progress(); p.Running || time.Since(begun) > 10*time.Minute || summary.ExitCode() != ExitOK {
		t.Errorf("exit code %d:\n%s", summary.ExitCode(), text)
	}
	if !strings.Contains(text, "stopped at the end of the batch") {
		t.Errorf("nothing says that the load was stopped:\n%s", text)
	}
}
