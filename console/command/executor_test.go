package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"

	"synod/protocol"
)

// play runs a script against a fake cluster in virtual time and gives everything that was written, with the times of
// notes blotted out, as they depend on the time zone.
func play(t *testing.T, fake *fakeCluster, settings Settings, script string) (string, Summary) {
	t.Helper()
	return playTo(t, fake, settings, script, func(w io.Writer) Writer { return NewText(w, w) })
}

// playTo is play with another form of output.
func playTo(
	t *testing.T, fake *fakeCluster, settings Settings, script string, form func(io.Writer) Writer,
) (string, Summary) {
	t.Helper()
	grammar := NewGrammar(fiveReplicas)
	statements, err := NewParser(grammar, nil).Script("test.synod", []byte(script))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	var summary Summary
	synctest.Test(t, func(*testing.T) {
		ports := Ports{
			Cluster: fake, Operator: fake, Processes: fake, Output: form(&out),
			Getenv:   func(name string) (string, bool) { return "value of " + name, name == "HOME" },
			ReadFile: func(name string) ([]byte, error) { return []byte("bytes of " + name), nil },
		}
		e := NewExecutor(grammar, ports, settings)
		e.Run(context.Background(), statements)
		summary = e.Finish()
	})
	return blot(out.String()), summary
}

func blot(text string) string {
	return regexp.MustCompile(`# \d\d:\d\d:\d\d\.\d{3}`).ReplaceAllString(text, "# time")
}

// TestRuns runs the files of testdata/run:
//
//	run [output=json|csv|only] [diverged=r3] [stubborn=r2] [behind=r4] [yes] [stop] [readonly] [confirm=NAME] [down=r5] [silent=r1] [poor=r1] [odd=r4] [broken]
func TestRuns(t *testing.T) {
	datadriven.Walk(t, "testdata/run", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			fake := newFake()
			settings := Settings{ClusterName: "demo", Seed: 42, Target: targetRandom}
			form := func(w io.Writer) Writer { return NewText(w, w) }
			for _, argument := range d.CmdArgs {
				value := ""
				if len(argument.Vals) > 0 {
					value = argument.Vals[0]
				}
				switch argument.Key {
				case "yes":
					settings.Yes = true
				case "stop":
					settings.StopOnError = true
				case "readonly":
					settings.ReadOnly = true
				case "confirm":
					settings.Confirm = value
				case "down":
					fake.down[value] = true
				case "silent":
					fake.silent[value] = true
				case "poor":
					fake.poor[value] = true
				case "odd":
					fake.odd[value] = "odd"
				case "output":
					form = map[string]func(io.Writer) Writer{
						"json": func(w io.Writer) Writer { return NewJSON(w, w) },
						"csv":  func(w io.Writer) Writer { return NewCSV(w, w, false) },
						"only": func(w io.Writer) Writer { return NewCSV(w, w, true) },
					}[value]
				case "diverged":
					fake.digests[value] = protocol.Digest{Applied: 64, Hash: "00000000000000bb"}
				case "behind":
					fake.digests[value] = protocol.Digest{
						Applied: 60, Hash: "00000000000000cc", Marks: []protocol.DigestMark{{Slot: 32, Hash: "0000000000000011"}},
					}
				case "stubborn":
					fake.stubborn[value] = true
				case "broken":
					fake.broken = true
				default:
					d.Fatalf(t, "unknown argument %s", argument.Key)
				}
			}
			out, summary := playTo(t, fake, settings, d.Input, form)
			for _, order := range fake.orders {
				out += "order: " + order + "\n"
			}
			return out + fmt.Sprintf("exit %d\n", summary.ExitCode())
		})
	})
}

// TestDemoHolds: the shipped file does what it must and in time; the real cluster's part of it is tested elsewhere.
func TestDemoHolds(t *testing.T) {
	out, summary := play(t, newFake(), Settings{ClusterName: "demo", Yes: true}, string(Demo()))
	if summary.ExitCode() != ExitOK || summary.Elapsed > 20*time.Second {
		t.Errorf("exit code %d after %v\n%s", summary.ExitCode(), summary.Elapsed, out)
	}
	for _, verb := range []string{"put ", "get ", "del "} {
		if strings.Count(out, "  "+verb) < 5 {
			t.Errorf("fewer than five of %s\n%s", verb, out)
		}
	}
}

// TestParallelKeepsItsNumberInFlight: eight rounds at once, not more, and all of them.
func TestParallelKeepsItsNumberInFlight(t *testing.T) {
	fake := newFake()
	_, summary := play(t, fake, Settings{}, "repeat 100 parallel 8 put n/${i} ${i}\n")
	if fake.most != 8 || summary.OK != 100 || len(fake.rows) != 100 {
		t.Errorf("%d in flight, %d ok, %d keys", fake.most, summary.OK, len(fake.rows))
	}
}

// TestParallelLines: consecutive requests are in flight at once, up to a line that looks at an answer.
func TestParallelLines(t *testing.T) {
	fake := newFake()
	script := strings.Repeat("put a 1\nget b\n", 20) + "put last 1\nexpect ok\nget last\nexpect value 1\n"
	out, summary := play(t, fake, Settings{Parallel: 4, Target: targetRandom}, script)
	if fake.most != 4 || summary.OK+summary.Missing != 42 || summary.Met != 2 || summary.ExitCode() != ExitOK {
		t.Errorf("%d in flight\n%s", fake.most, out)
	}
}

// TestSeedRepeatsTheRun: the same seed asks the same replicas, in parallel rounds too.
func TestSeedRepeatsTheRun(t *testing.T) {
	script := "repeat 20 put a 1 @random\nrepeat 20 parallel 4 put b/${i} 1 @random\n"
	choices := func(seed uint64) string {
		out, _ := play(t, newFake(), Settings{Seed: seed}, script)
		var rows []string
		for _, row := range regexp.MustCompile(`put \S+ 1 +r\d`).FindAllString(out, -1) {
			rows = append(rows, strings.Join(strings.Fields(row), " "))
		}
		slices.Sort(rows)
		return strings.Join(rows, "\n")
	}
	first, again := choices(1), choices(1)
	if first != again {
		t.Error("the same seed chose other replicas")
	}
	if first == choices(2) {
		t.Error("another seed chose the same replicas")
	}
}

// TestStop: the command at hand is finished, the next one is not begun, and a sleep ends at once.
func TestStop(t *testing.T) {
	grammar := NewGrammar(fiveReplicas)
	for _, script := range []string{"get a @r1\nget b\n", "sleep 1h\nget b\n", "wait alive=6 timeout=1h\nget b\n"} {
		statements, err := NewParser(grammar, nil).Script("t", []byte(script))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			fake := newFake()
			fake.silent["r1"] = true
			e := NewExecutor(grammar, Ports{Cluster: fake, Operator: fake, Output: NewText(io.Discard, io.Discard)}, Settings{})
			time.AfterFunc(time.Second, e.Stop)
			begun := time.Now()
			more := e.Run(context.Background(), statements)
			summary := e.Summary()
			if more || !summary.Interrupted || summary.ExitCode() != ExitInterrupted || fake.requests > 1 {
				t.Errorf("%q: more %v, %d requests, %s", script, more, fake.requests, summary.String())
			}
			if took := time.Since(begun); took > 2*time.Second {
				t.Errorf("%q: stopped after %v", script, took)
			}
		})
	}
}

// TestEndOfContextEndsTheCommand: that is what a second ctrl-C is for.
func TestEndOfContextEndsTheCommand(t *testing.T) {
	grammar := NewGrammar(fiveReplicas)
	statements, err := NewParser(grammar, nil).Script("t", []byte("get a @r1 timeout=1h\nget b\n"))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		fake.silent["r1"] = true
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		e := NewExecutor(grammar, Ports{Cluster: fake, Output: NewText(io.Discard, io.Discard)}, Settings{})
		if e.Run(ctx, statements) || fake.requests != 1 {
			t.Errorf("%d requests", fake.requests)
		}
	})
}

// TestRunLines: a stream is run line by line, and a faulty line does not keep the others from being sent.
func TestRunLines(t *testing.T) {
	grammar := NewGrammar(fiveReplicas)
	for _, test := range []struct {
		text     string
		stop     bool
		requests int
		code     int
	}{
		{"put a 1\ngett a\nget a\n", false, 2, ExitUsage},
		{"put a 1\ngett a\nget a\n", true, 1, ExitUsage},
		{"put a 1\nquit\nget a\n", false, 1, ExitOK},
		{"repeat 3\nput a ${i}\nend\nget a", false, 4, ExitOK},
		{"repeat 3\nput a ${i}\n", false, 0, ExitUsage},
		{"set x=1\nput a ${x}\r\n\n# comment\nexpect ok\n", false, 1, ExitOK},
	} {
		fake := newFake()
		var out bytes.Buffer
		e := NewExecutor(grammar, Ports{Cluster: fake, Output: NewText(&out, &out)}, Settings{StopOnError: test.stop})
		if err := e.RunLines(context.Background(), NewParser(grammar, nil), strings.NewReader(test.text), "-"); err != nil {
			t.Fatal(err)
		}
		summary := e.Finish()
		if fake.requests != test.requests || summary.ExitCode() != test.code {
			t.Errorf("%q: %d requests, exit %d\n%s", test.text, fake.requests, summary.ExitCode(), out.String())
		}
	}
	e := NewExecutor(grammar, Ports{Cluster: newFake(), Output: NewText(io.Discard, io.Discard)}, Settings{})
	long := strings.NewReader("put a " + strings.Repeat("x", lineBytesMax) + "\n")
	if err := e.RunLines(context.Background(), NewParser(grammar, nil), long, "-"); err == nil {
		t.Error("a line without end was taken")
	}
}

// TestExitCodes: the gravest that applies.
func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		summary Summary
		want    int
	}{
		{Summary{}, ExitOK},
		{Summary{Requests: 1, OK: 1}, ExitOK},
		{Summary{Requests: 1, Missing: 1}, ExitOK},
		{Summary{Requests: 1, Missing: 1, MissingFails: true}, ExitFailed},
		{Summary{Requests: 2, Failures: map[Failure]int{Timeout: 1}}, ExitFailed},
		{Summary{Requests: 2, Failures: map[Failure]int{Timeout: 1}, Excused: 1}, ExitOK},
		{Summary{OtherFailed: 1}, ExitFailed},
		{Summary{Usage: 1}, ExitUsage},
		{Summary{Usage: 1, Requests: 1, Failures: map[Failure]int{Timeout: 1}}, ExitUsage},
		{Summary{Requests: 2, Failures: map[Failure]int{Unreachable: 1}}, ExitFailed},
		{Summary{Requests: 2, Failures: map[Failure]int{Unreachable: 2}}, ExitUnreachable},
		{Summary{Requests: 2, Failures: map[Failure]int{Unreachable: 2}, Excused: 2}, ExitOK},
		{Summary{Requests: 2, Failures: map[Failure]int{Unreachable: 2}, Unmet: 1}, ExitUnmet},
		{Summary{Unmet: 1, Diverged: true, Interrupted: true}, ExitViolation},
		{Summary{Unmet: 1, Interrupted: true}, ExitInterrupted},
	} {
		if got := test.summary.ExitCode(); got != test.want {
			t.Errorf("%+v: exit %d, want %d", test.summary, got, test.want)
		}
	}
}

// TestValues: a pipe gets the bytes and one line end, and nothing else.
func TestValues(t *testing.T) {
	grammar := NewGrammar(nil)
	for _, test := range []struct {
		words   []string
		options ValuesOptions
		want    string
		notes   string
	}{
		{[]string{"get", "k"}, ValuesOptions{}, "a\x1bb\n", ""},
		{[]string{"get", "k"}, ValuesOptions{Raw: true}, "a\x1bb", ""},
		{[]string{"get", "k", "format=hex"}, ValuesOptions{}, "611b62\n", ""},
		{[]string{"get", "k", "format=json"}, ValuesOptions{}, `"a\u001bb"` + "\n", ""},
		{[]string{"get", "k", "format=base64"}, ValuesOptions{}, "YRti\n", ""},
		{[]string{"get", "k"}, ValuesOptions{Terminal: true}, "a\\x1bb\n", ""},
		{[]string{"get", "none"}, ValuesOptions{}, "", "synod: key none not found\n"},
		{[]string{"put", "k2", "v"}, ValuesOptions{}, "", ""},
		{[]string{"scan", "values=yes"}, ValuesOptions{}, "k\t\"a\\x1bb\"\n", ""},
		{
			[]string{"get", "k", "@r5"},
			ValuesOptions{},
			"",
			"synod: get k to r5: not sent: connect 127.0.0.1:7105: connection refused\n",
		},
	} {
		fake := newFake()
		fake.rows["k"] = Pair{Key: []byte("k"), Value: []byte("a\x1bb"), Revision: 1}
		fake.down["r5"] = true
		var out, notes bytes.Buffer
		statements, err := NewParser(grammar, nil).Words(test.words)
		if err != nil {
			t.Fatal(err)
		}
		e := NewExecutor(grammar, Ports{Cluster: fake, Output: NewValues(&out, &notes, test.options)}, Settings{})
		e.Run(context.Background(), statements)
		e.Finish()
		if out.String() != test.want || notes.String() != test.notes {
			t.Errorf("%q: have %q and notes %q", test.words, out.String(), notes.String())
		}
	}
}

// TestLog: every request leaves one line in the client's log, with its time in milliseconds and its fate.
func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "logs", "client.log")
	grammar := NewGrammar(fiveReplicas)
	statements, err := NewParser(grammar, nil).Script("t", []byte(
		"put color red @r1\nget color @r5\nput color blue @r2 timeout=1s\nput color green @r3\nretry @r1\n"))
	if err != nil {
		t.Fatal(err)
	}
	fake := newFake()
	fake.down["r5"], fake.silent["r2"], fake.poor["r3"] = true, true, true
	synctest.Test(t, func(t *testing.T) {
		logger, closer, err := OpenLog(path)
		if err != nil {
			t.Fatal(err)
		}
		e := NewExecutor(grammar, Ports{Cluster: fake, Output: NewText(io.Discard, io.Discard), Log: logger}, Settings{})
		e.Run(context.Background(), statements)
		if err := closer.Close(); err != nil {
			t.Fatal(err)
		}
	})
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := `time=2000-01-01T00:00:00.001Z level=INFO msg=reply op=put key="\"color\"" to=r1 req=c7.1 line=1 took=1.0ms ` +
		`status=ok revision=1
time=2000-01-01T00:00:00.002Z level=WARN msg="request not sent" op=get key="\"color\"" to=r5 req=c7.2 line=2 ` +
		`after=1.0ms kind=unreachable outcome=not_done err="connect 127.0.0.1:7105: connection refused"
time=2000-01-01T00:00:01.002Z level=ERROR msg="no reply" op=put key="\"color\"" to=r2 req=c7.3 line=3 ` +
		`after=1000.0ms kind=timeout outcome=unknown err="context deadline exceeded"
time=2000-01-01T00:00:01.003Z level=WARN msg="no quorum" op=put key="\"color\"" to=r3 req=c7.4 line=4 ` +
		`after=1.0ms kind=no_quorum outcome=unknown err="2 of 5 acceptors answered"
time=2000-01-01T00:00:01.004Z level=INFO msg=reply op=retry to=r1 req=c7.4 line=5 took=1.0ms status=ok revision=2
`
	if string(text) != want {
		t.Errorf("the log is\n%s\nand not\n%s", text, want)
	}
}

// TestAsk: a person is asked before what is dangerous, and must type the name before what is severe.
func TestAsk(t *testing.T) {
	grammar := NewGrammar(fiveReplicas)
	for _, test := range []struct {
		line   string
		typed  string
		asked  bool
		answer bool
	}{
		{"crash r1.acceptor", "", true, true},
		{"crash r1.acceptor", "", true, false},
		{"crash *.acceptor", "demo", true, true},
		{"pause *.acceptor", "demo", true, false},
		{"kill r1", "", true, true},
		{"pause r1", "", false, true},
		{"chaos on", "", true, false},
		{"restart r1", "", false, true},
	} {
		statements, err := NewParser(grammar, nil).Script("t", []byte(test.line))
		if err != nil {
			t.Fatal(err)
		}
		fake := newFake()
		asked := false
		ask := func(_ context.Context, danger Danger) bool {
			asked = true
			if danger.Type != test.typed || danger.Command == "" || danger.Effect == "" {
				t.Errorf("%s: asked %+v", test.line, danger)
			}
			return test.answer
		}
		ports := Ports{Cluster: fake, Operator: fake, Processes: fake, Output: NewText(io.Discard, io.Discard), Ask: ask}
		e := NewExecutor(grammar, ports, Settings{ClusterName: "demo"})
		e.Run(context.Background(), statements)
		summary := e.Summary()
		if asked != test.asked || (summary.ExitCode() == ExitOK) != test.answer {
			t.Errorf("%s: asked %v, exit %d", test.line, asked, summary.ExitCode())
		}
	}
}

// TestOneServer: without a configuration there is one server, whose id is empty until it tells.
func TestOneServer(t *testing.T) {
	grammar := NewGrammar(nil)
	statements, err := NewParser(grammar, nil).Script("t", []byte("put a 1 @random\nget a @all\nleader\nchaos off\n"))
	if err != nil {
		t.Fatal(err)
	}
	fake := newFake()
	var out bytes.Buffer
	e := NewExecutor(grammar, Ports{Cluster: fake, Operator: fake, Output: NewText(&out, &out)}, Settings{})
	e.Run(context.Background(), statements)
	if summary := e.Summary(); summary.ExitCode() != ExitFailed || summary.OtherFailed != 1 { // r2 leads but is not known
		t.Errorf("exit %d\n%s", summary.ExitCode(), out.String())
	}
}

// TestNoOperator: looks and faults say why they cannot work.
func TestNoOperator(t *testing.T) {
	grammar := NewGrammar(fiveReplicas)
	statements, err := NewParser(grammar, nil).Script("t", []byte("crash r1\nkill r1\nstatus\nheal\n"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	e := NewExecutor(grammar, Ports{Cluster: newFake(), Output: NewText(&out, &out)}, Settings{Yes: true})
	e.Run(context.Background(), statements)
	if summary := e.Summary(); summary.OtherFailed < 4 || !strings.Contains(out.String(), errNoOperator.Error()) ||
		!strings.Contains(out.String(), "synod up") {
		t.Errorf("%s\n%s", summary.String(), out.String())
	}
}

// TestFailureOf: an operator's error is shown with its kind.
func TestFailureOf(t *testing.T) {
	denied := fmt.Errorf("crash: %w", &FailureError{Failure: Denied, Err: errors.New("faults are off")})
	if failureOf(denied) != Denied || failureOf(context.DeadlineExceeded) != Timeout || failureOf(io.EOF) != Unavailable {
		t.Error("wrong kinds")
	}
}

// TestMain has the same local time everywhere: golden files hold some.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

// TestFaultsAreInTheClientsLog: with their ids and how long they took.
func TestFaultsAreInTheClientsLog(t *testing.T) {
	grammar := NewGrammar(fiveReplicas)
	statements, err := NewParser(grammar, nil).Script("t", []byte("cut r1 r3\npause leader\nundo\n"))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	fake := newFake()
	e := NewExecutor(grammar, Ports{
		Cluster: fake, Operator: fake, Output: NewText(io.Discard, io.Discard), Log: NewLog(&log),
	}, Settings{Yes: true})
	e.Run(context.Background(), statements)
	for _, want := range []string{
		`level=INFO msg=command command="cut r1 r3" to=r1 line=1 took=`, `status=ok faults=r1#1`,
		`command="pause leader" to=r2`, `command="undo pause leader"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in\n%s", want, log.String())
		}
	}
}
