package monitor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"synod/protocol"
)

func newLogger(t *testing.T, options LogOptions) *slog.Logger {
	t.Helper()
	logger, err := NewLogger(options)
	if err != nil {
		t.Fatal(err)
	}
	return logger
}

func TestLinesHaveMilliseconds(t *testing.T) {
	var out bytes.Buffer
	newLogger(t, LogOptions{Level: "info", Writers: []io.Writer{&out}}).Info("got", "key", "a\nb")
	want := regexp.MustCompile(`^time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=INFO msg=got key="a\\nb"\n$`)
	if !want.Match(out.Bytes()) {
		t.Errorf("the line reads %q", out.String())
	}
}

func TestUnknownLevelIsAnError(t *testing.T) {
	if _, err := NewLogger(LogOptions{Level: "loud"}); err == nil {
		t.Error("level loud was accepted")
	}
}

func TestRingNumbersLinesAndShowsGaps(t *testing.T) {
	ring := NewRing(3)
	logger := newLogger(t, LogOptions{Level: "debug", Ring: ring})
	for range 5 {
		logger.With("replica", "r1").Info("line")
	}
	logger.Debug("quiet")
	lines, next, dropped, err := ring.Read(context.Background(), 1, slog.LevelInfo, make([]Line, 0, 10))
	if err != nil || next != 7 || dropped != 3 || len(lines) != 2 || lines[0].Sequence != 4 {
		t.Errorf("read %d lines, next %d, error %v: %+v", len(lines), next, err, lines)
	}
}

func TestRingReaderWaitsForALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring := NewRing(3)
		logger := newLogger(t, LogOptions{Level: "info", Ring: ring})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		go func() {
			time.Sleep(time.Millisecond)
			logger.Info("late")
		}()
		lines, next, _, err := ring.Read(ctx, 0, slog.LevelInfo, make([]Line, 0, 1))
		if err != nil || len(lines) != 1 || next != 2 {
			t.Errorf("read %v, next %d, error %v", lines, next, err)
		}
		if _, _, _, err := ring.Read(ctx, next, slog.LevelInfo, lines[:0]); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for nothing ended with %v", err)
		}
	})
}

func TestSampledRequestsAreBoundedAndTheRestIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		requests := NewRequests(newLogger(t, LogOptions{Level: "info", Writers: []io.Writer{&out}}), "sampled")
		taken := 0
		for range 1000 {
			if requests.Take() {
				taken++
			}
		}
		if taken*2 != sampledLinesMax {
			t.Errorf("%d requests were taken, want %d", taken, sampledLinesMax/2)
		}
		time.Sleep(1500 * time.Millisecond)
		if !requests.Take() {
			t.Error("a new second gave no new allowance")
		}
		requests.Close()
		if !bytes.Contains(out.Bytes(), []byte("lines=1800")) {
			t.Errorf("what was left out is not told: %q", out.String())
		}
	})
}

func TestLatencyQuantilesAreAtMostAnEighthHigh(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	var latency Latency
	begin := time.Unix(1_800_000_000, 0)
	all := make([]time.Duration, 1000)
	for i := range all {
		all[i] = time.Duration(random.ExpFloat64() * float64(time.Millisecond))
		latency.Add(begin.Add(time.Duration(i)*9*time.Millisecond), all[i])
	}
	slices.Sort(all)
	s := latency.Summary(begin.Add(9 * time.Second))
	for _, c := range []struct{ got, want time.Duration }{{s.P50, all[499]}, {s.P99, all[989]}} {
		if c.got < c.want || c.got > c.want+c.want/8+1 {
			t.Errorf("quantile %v, the exact one is %v (seed %d)", c.got, c.want, seed)
		}
	}
	if s.Count != 1000 || s.Max != all[999] {
		t.Errorf("%d durations, the longest %v; want 1000 and %v (seed %d)", s.Count, s.Max, all[999], seed)
	}
	latency.Add(begin, -time.Second)
	latency.Add(begin, time.Duration(1<<63-1))
}

func TestLogFileIsMadeWithItsFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "logs", "r1.log")
	file, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newLogger(t, LogOptions{Level: "info", Writers: []io.Writer{file}}).Info("hello")
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || !bytes.Contains(text, []byte("msg=hello")) {
		t.Errorf("the file holds %q, %v", text, err)
	}
}

// TestLongLinesFitIntoAnOperatorsFrame: a dump of all goroutines must not end the
// subscriptions, nor the status that shows the last errors.
func TestLongLinesFitIntoAnOperatorsFrame(t *testing.T) {
	ring := NewRing(100)
	logger := newLogger(t, LogOptions{Level: "info", Ring: ring})
	for range 50 {
		logger.Error(strings.Repeat("<ü>", 1<<13))
	}
	var lines protocol.LogLines
	next, dropped := uint64(1), uint64(0)
	for read := 0; read < 50; {
		var got []Line
		var err error
		got, next, dropped, err = ring.Read(context.Background(), next, slog.LevelInfo, make([]Line, 0, 100))
		if err != nil || dropped != 0 || len(got) == 0 {
			t.Fatalf("%d lines, %d dropped, %v", len(got), dropped, err)
		}
		read += len(got)
		lines.Lines = lines.Lines[:0]
		for _, l := range got {
			lines.Lines = append(lines.Lines, protocol.LogLine{Sequence: l.Sequence, Time: l.Time, Text: l.Text})
		}
		if _, err := protocol.AppendJSON(nil, 1, &lines); err != nil {
			t.Fatal(err)
		}
	}
	status := protocol.Status{}
	for _, l := range ring.Errors() {
		status.LastErrors = append(status.LastErrors, protocol.LogLine{Text: l.Text})
	}
	if _, err := protocol.AppendJSON(nil, 1, &status); err != nil || len(status.LastErrors) != errorsKept {
		t.Errorf("a status with %d long errors: %v", len(status.LastErrors), err)
	}
}

func TestErrorsOutliveOtherLines(t *testing.T) {
	ring := NewRing(4)
	logger := newLogger(t, LogOptions{Level: "debug", Ring: ring})
	for n := range 5 {
		logger.Error("failed", "n", n)
		for range 5 {
			logger.Info("all is well")
		}
	}
	all := ring.Errors()
	if len(all) != errorsKept || !strings.Contains(all[0].Text, "n=2") || !strings.Contains(all[2].Text, "n=4") {
		t.Errorf("the last errors are %+v", all)
	}
}
