package monitor

import (
	"bufio"
	"bytes"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds what a test waits for; nothing is asserted about how long it takes.
const patience = 20 * time.Second

func TestAWriterThatNobodyReadsBlocksNobody(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	defer func() { _ = reader.Close() }()
	var file bytes.Buffer
	blocked, free := NewQueue(writer), NewQueue(&file)
	logger := newLogger(t, LogOptions{Level: "info", Queues: []*Queue{blocked, free}})
	// Twice what a pipe and a queue hold: every call returns all the same.
	lines := 4 * queueLinesMax
	var logging sync.WaitGroup
	for part := range 4 {
		logging.Go(func() {
			for i := range lines / 4 {
				logger.Info("line", "number", part*lines+i)
				if i%1000 == 0 && !free.Flush(patience) {
					t.Error("one writer waits for the other")
				}
			}
		})
	}
	logging.Wait()
	if blocked.Flush(time.Millisecond) {
		t.Error("the pipe took everything, so this test shows nothing")
	}
	if !free.Close(patience) || strings.Count(file.String(), "msg=line") != lines {
		t.Errorf("the other writer got %d lines, want %d", strings.Count(file.String(), "msg=line"), lines)
	}
	if blocked.Close(time.Millisecond) {
		t.Error("closed, but nobody has read")
	}
	go func() { _, _ = bufio.NewReader(reader).WriteTo(&bytes.Buffer{}) }()
	if !blocked.Close(patience) {
		t.Error("not closed, although somebody reads")
	}
}

// gate is a writer that waits until it is opened.
type gate struct {
	bytes.Buffer
	opened chan struct{}
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.opened
	return g.Buffer.Write(p)
}

func TestDroppedLinesAreCountedAndToldWithTheNext(t *testing.T) {
	for _, json := range []bool{false, true} {
		g := &gate{opened: make(chan struct{})}
		q := NewQueue(g)
		logger := newLogger(t, LogOptions{Level: "info", JSON: json, Queues: []*Queue{q}})
		lines := 3 * queueLinesMax
		for range lines {
			logger.Info("one")
		}
		close(g.opened)
		if !q.Flush(patience) {
			t.Fatal("the lines are not written")
		}
		logger.Info("next")
		if !q.Close(patience) {
			t.Fatal("not closed")
		}
		logger.Info("too late")
		text := g.String()
		told := regexp.MustCompile(`log lines dropped.*lines"?[=:](\d+)}?\n.*next`).FindStringSubmatch(text)
		if told == nil {
			t.Fatalf("no line tells of the dropped ones before the next: %q", text[len(text)-300:])
		}
		dropped, err := strconv.Atoi(told[1])
		written := strings.Count(text, "one")
		if err != nil || written+dropped != lines || written > 2*queueLinesMax {
			t.Errorf("%d lines written and %d told as dropped, want %d", written, dropped, lines)
		}
	}
}

func TestOneLongLineIsTakenAndMoreAreNot(t *testing.T) {
	g := &gate{opened: make(chan struct{})}
	q := NewQueue(g)
	logger := newLogger(t, LogOptions{Level: "info", Queues: []*Queue{q}})
	long := strings.Repeat("x", queueBytesMax)
	for range 4 {
		logger.Info(long)
	}
	close(g.opened)
	q.Close(patience)
	if n := strings.Count(g.String(), "level=INFO"); n < 1 || n > 2 {
		t.Errorf("%d lines as long as the limit were taken, want one beside the one that was being written", n)
	}
}
