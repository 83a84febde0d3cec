package feed

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"synod/console/state"
	"synod/protocol"
	"synod/protocol/client"
	"synod/protocol/client/clienttest"
)

// talker is the operator's side of a replica that logs.
type talker struct {
	mutex   sync.Mutex
	pid     int
	ahead   time.Duration // of its clock
	lines   []protocol.LogLine
	asked   []uint64 // from, of each subscription
	dropped uint64   // told with the next lines
	stuck   bool     // it takes questions and answers nothing
}

func (r *talker) log(text string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	n := uint64(len(r.lines) + 1)
	r.lines = append(r.lines, protocol.LogLine{
		Sequence: n, Time: time.Now().Add(r.ahead), Level: "INFO", Text: "time=x level=INFO msg=" + text + fmt.Sprint(n),
	})
}

func (r *talker) serve(f protocol.Frame, stream *protocol.Stream) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	switch {
	case r.stuck:
		return nil
	case f.Kind == protocol.KindHello:
		answer := protocol.HelloAnswer{Replica: "r1", PID: r.pid, Incarnation: 1, Now: time.Now().Add(r.ahead)}
		return push(stream, f.Request, &answer)
	case f.Kind == protocol.KindStatusSubscribe:
		return push(stream, f.Request, &protocol.Status{Replica: "r1", PID: r.pid})
	case f.Kind == protocol.KindLogSubscribe:
		m, err := protocol.DecodeJSON[protocol.LogSubscribe](f)
		if err != nil {
			return err
		}
		r.asked = append(r.asked, m.From)
		answer := protocol.LogLines{Dropped: r.dropped, Lines: r.lines[min(int(m.From)-1, len(r.lines)):]}
		r.dropped = 0
		return push(stream, f.Request, &answer)
	}
	return nil
}

// watched starts a Watch of replicas that are served so, with logs.
func watched(t *testing.T, serve ...func(protocol.Frame, *protocol.Stream) error) (*clienttest.Cluster, *Logs) {
	t.Helper()
	cluster := clienttest.New(len(serve))
	t.Cleanup(cluster.Close)
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop) // before Close, which waits for the listeners
	for i, serve := range serve {
		cluster.Replica(fmt.Sprintf("r%d", i+1)).Operate(serve)
	}
	endpoints, err := cluster.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	logs := NewLogs(endpoints)
	watch := StartWatch(ctx, endpoints, discard(), func(f func()) { go f() }, logs, logs.Clocks())
	t.Cleanup(watch.Close)
	return cluster, logs
}

// texts gives what is kept of a source, remarks in brackets.
func texts(s *state.LogSource) []string {
	var list []string
	for ordinal := s.First; ordinal < s.Next; ordinal++ {
		text := s.Line(ordinal).Text
		if s.Line(ordinal).Remark {
			text = "[" + text + "]"
		}
		list = append(list, text)
	}
	return list
}

// await looks until the condition holds.
func await(t *testing.T, logs *Logs, what string, condition func(state.Logs) bool) state.Logs {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		look := logs.Look()
		if condition(look) {
			return look
		}
		if time.Now().After(deadline) {
			t.Fatalf("never: %s; r1 has %q", what, texts(&look.Sources[0]))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func ends(text string) func(state.Logs) bool {
	return func(l state.Logs) bool {
		list := texts(&l.Sources[0])
		return l.Sources[0].Live && len(list) > 0 && list[len(list)-1] == text
	}
}

// TestLogsGoOnAfterALostConnection: nothing is lost or doubled within a process, a new one begins anew and says so.
func TestLogsGoOnAfterALostConnection(t *testing.T) {
	r := &talker{pid: 1}
	r.log("a")
	r.log("a")
	cluster, logs := watched(t, r.serve)
	replica := cluster.Replica("r1")
	await(t, logs, "the first lines", ends("a2"))
	replica.Stop()
	await(t, logs, "the loss", func(l state.Logs) bool { return !l.Sources[0].Live })
	r.log("b")
	replica.Start()
	await(t, logs, "the line between", ends("b3"))
	replica.Stop()
	await(t, logs, "the loss", func(l state.Logs) bool { return !l.Sources[0].Live })
	r.mutex.Lock()
	r.pid, r.lines, r.dropped = 2, nil, 0
	r.mutex.Unlock()
	r.log("c")
	replica.Start()
	look := await(t, logs, "the new process", ends("c1"))
	want := "a1,a2,b3,[a new process of r1, pid 2: it counts its lines anew],c1"
	if got := strings.Join(texts(&look.Sources[0]), ","); got != want {
		t.Errorf("lines %s, want %s", got, want)
	}
	s := &look.Sources[0]
	if line := s.Line(s.Next - 1); line.At != line.Time-int64(s.Offset) {
		t.Error("the new process's first line has lost its time to what is said about it")
	}
	if got := fmt.Sprint(r.asked); got != "[1 3 1]" {
		t.Errorf("asked from %s, want [1 3 1]", got)
	}
}

func TestLogsTellGaps(t *testing.T) {
	r := &talker{pid: 1, dropped: 7}
	r.log("a")
	cluster, logs := watched(t, r.serve)
	await(t, logs, "the first lines", ends("a1"))
	cluster.Replica("r1").Stop()
	await(t, logs, "the loss", func(l state.Logs) bool { return !l.Sources[0].Live })
	r.log("b")
	r.mutex.Lock()
	r.dropped = 41
	r.mutex.Unlock()
	cluster.Replica("r1").Start()
	look := await(t, logs, "the line behind the gap", ends("b2"))
	want := "[7 earlier lines are not kept by r1],a1,[41 lines dropped],b2"
	if got := strings.Join(texts(&look.Sources[0]), ","); got != want {
		t.Errorf("lines %s, want %s", got, want)
	}
}

// TestLogsCorrectClocks: a replica whose clock is an hour ahead has its lines where they belong.
func TestLogsCorrectClocks(t *testing.T) {
	r := &talker{pid: 1, ahead: time.Hour}
	before := time.Now()
	r.log("a")
	after := time.Now()
	_, logs := watched(t, r.serve)
	look := await(t, logs, "the line", ends("a1"))
	s := &look.Sources[0]
	line := s.Line(s.First)
	if at := time.Unix(0, line.At); at.Before(before.Add(-s.Accuracy)) || at.After(after.Add(s.Accuracy)) {
		t.Errorf("offset %v ± %v: the line is at %v, it was logged from %v to %v", s.Offset, s.Accuracy, at, before, after)
	}
	if wrong := s.Offset - time.Hour; s.Accuracy <= 0 || wrong.Abs() > s.Accuracy {
		t.Errorf("offset %v ± %v, want an hour", s.Offset, s.Accuracy)
	}
	if time.Duration(line.Time-line.At) != s.Offset {
		t.Errorf("the line's own time is lost: %d, %d", line.Time, line.At)
	}
}

// flood logs without end, as fast as the connection takes it: long lines, which fill what is kept soonest.
func flood(f protocol.Frame, stream *protocol.Stream) error {
	if f.Kind != protocol.KindLogSubscribe {
		return (&talker{pid: 1}).serve(f, stream)
	}
	text := "time=x level=INFO msg=flood pad=" + strings.Repeat("x", state.LogTextBytesMax)
	var m protocol.LogLines
	for n := uint64(1); ; {
		m.Lines = m.Lines[:0]
		for range floodLines {
			m.Lines = append(m.Lines, protocol.LogLine{Sequence: n, Time: time.Unix(0, int64(n)), Level: "INFO", Text: text})
			n++
		}
		if err := push(stream, f.Request, &m); err != nil {
			return err
		}
	}
}

const floodLines = 25 // in a frame, almost as large as it may be

// TestAFloodNeitherBlocksNorGrowsTheConsole: one replica logs without end and another takes questions and answers
// nothing. What a third one says is there, a look gives what is known, and the memory is bounded.
func TestAFloodNeitherBlocksNorGrowsTheConsole(t *testing.T) {
	stalled, quiet := &talker{stuck: true}, &talker{pid: 1}
	quiet.log("a")
	_, logs := watched(t, quiet.serve, flood, stalled.serve)
	view := &state.LogView{}
	taken := func(l state.Logs) bool {
		view.Advance(&l, state.LogScanLines) // as a screen does
		return l.Sources[1].Next > 2*state.LogBytesMax/state.LogTextBytesMax && ends("a1")(l)
	}
	look := await(t, logs, "twice as much as is kept", taken)
	s := &look.Sources[1]
	if s.Bytes > state.LogBytesMax {
		t.Errorf("%d lines with %d bytes are kept", s.Len(), s.Bytes)
	}
	if look.Sources[2].Live {
		t.Error("the replica that answers nothing is said to be live")
	}
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	if limit := uint64(4 * state.LogBytesMax); memory.HeapAlloc > limit {
		t.Errorf("the heap has %d MiB, want at most %d", memory.HeapAlloc>>20, limit>>20)
	}
}

func TestTeeKeepsWhatThisProgramLogs(t *testing.T) {
	var file bytes.Buffer
	logs := NewLogs([]client.Endpoint{{Replica: "r1"}})
	logger := logs.Tee(slog.NewTextHandler(&file, nil)).With("a", 1)
	logger.Warn("before anybody looks")
	logs.Keep()
	logger.Debug("quiet")
	logger.WithGroup("g").Warn("request not sent", "to", "r5", "err", "connection refused")
	look := logs.Look()
	s := &look.Sources[1]
	if got := strings.Join(texts(s), "|"); got != `quiet  a=1|request not sent  a=1 g.to=r5 g.err="connection refused"` {
		t.Errorf("kept %s", got)
	}
	if s.Name != "client" || s.Line(1).Level != slog.LevelWarn || s.Line(1).Time != s.Line(1).At {
		t.Errorf("source %s, line %+v", s.Name, s.Line(1))
	}
	if text := file.String(); strings.Contains(text, "quiet") || !strings.Contains(text, "g.to=r5") {
		t.Errorf("the file has %s", text)
	}
}
