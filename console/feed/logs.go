package feed

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"synod/console/state"
	"synod/protocol"
	"synod/protocol/client"
)

// clientSource is the name under which this program's own lines are shown.
const clientSource = "client"

// everyLevel is what replicas are asked for: all they have. What is seen is the reader's choice, and he may change it.
const everyLevel = "debug"

// Logs collects the log of every replica and of this program, the newest lines of each within fixed limits. It is a
// [Follower] of a Watch. After a lost connection it goes on behind the last line that it has; what a replica has
// forgotten meanwhile, or this program could not take, becomes a line that says how many. Safe for concurrent use.
type Logs struct {
	now      func() time.Time
	replicas []*logSource
	client   *logSource
	keeping  atomic.Bool // lines of this program
}

// logSource is the log of one replica, or of this program.
type logSource struct {
	endpoint string // name of the replica in the endpoint, "" if it is not known by name

	mutex   sync.Mutex // guards what follows
	ring    *state.LogRing
	process process
	last    uint64 // sequence of the newest line of that process
	news    string // about the process, to be told before its first line
}

// process tells two processes of a replica apart: each counts its lines from 1.
type process struct {
	incarnation uint64
	pid         int
}

// NewLogs makes a Logs for these replicas. Until lines come it costs next to nothing.
func NewLogs(endpoints []client.Endpoint) *Logs {
	l := &Logs{now: time.Now, client: &logSource{ring: state.NewLogRing(clientSource)}}
	for _, endpoint := range endpoints {
		name := endpoint.Replica
		if name == "" {
			name = endpoint.Address
		}
		l.replicas = append(l.replicas, &logSource{endpoint: endpoint.Replica, ring: state.NewLogRing(name)})
	}
	l.client.ring.SetLive(true)
	l.client.ring.Correct(0, 1) // its clock is the one by which the others are judged
	return l
}

// Keep begins to keep what this program logs through Tee. Without a screen nobody would look at it.
func (l *Logs) Keep() { l.keeping.Store(true) }

// Look gives what is kept now. The lines are shared and are not changed.
func (l *Logs) Look() state.Logs {
	var logs state.Logs
	for _, source := range l.replicas {
		logs.Sources = append(logs.Sources, source.look())
	}
	logs.Sources = append(logs.Sources, l.client.look())
	return logs
}

func (s *logSource) look() state.LogSource {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.ring.Source()
}

func (s *logSource) change(change func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	change()
}

func (l *Logs) source(replica string) *logSource {
	for _, source := range l.replicas {
		if source.endpoint == replica {
			return source
		}
	}
	panic(fmt.Sprintf("feed: logs of %q, which is no endpoint", replica))
}

// Follow takes the lines of a replica until the connection ends.
func (l *Logs) Follow(ctx context.Context, replica string, operator *client.Operator) error {
	source := l.source(replica)
	hello, err := l.compareClocks(ctx, source, operator, clockSamplesFirst)
	if err != nil {
		return fmt.Errorf("ask %s who it is, to go on with its log: %w", replica, err)
	}
	from := source.begin(hello)
	subscription, err := operator.Logs(everyLevel, from)
	if err != nil {
		return fmt.Errorf("subscribe to the log of %s: %w", replica, err)
	}
	source.change(func() { source.ring.SetLive(true) })
	defer source.change(func() { source.ring.SetLive(false) })
	for {
		lines, err := subscription.Next(ctx)
		if err != nil {
			return fmt.Errorf("read the log of %s: %w", replica, err)
		}
		source.take(lines, l.now())
	}
}

// begin gives the sequence to go on with: behind the last line of the same process, or the first of a new one.
func (s *logSource) begin(hello *protocol.HelloAnswer) (from uint64) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.endpoint == "" && hello.Replica != "" {
		s.ring.Rename(hello.Replica)
	}
	is := process{hello.Incarnation, hello.PID}
	if s.process == is {
		return s.last + 1
	}
	if s.process != (process{}) {
		s.news = fmt.Sprintf("a new process of %s, pid %d: it counts its lines anew", s.ring.Name(), is.pid)
	}
	s.process, s.last = is, 0
	return 1
}

// remarkLocked adds a line of our own at the place of the next line. The caller holds the mutex.
func (s *logSource) remarkLocked(now time.Time, text string) {
	s.ring.Add(state.LogLine{
		Time: now.Add(s.ring.Offset()).UnixNano(), Text: text, Message: len(text), Level: slog.LevelWarn, Remark: true,
	})
}

// take keeps lines that came. Those that are there already are left out.
func (s *logSource) take(lines *protocol.LogLines, now time.Time) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(lines.Lines) > 0 { // what is said about them stands right before them
		now = lines.Lines[0].Time.Add(-s.ring.Offset())
	}
	if s.news != "" {
		s.remarkLocked(now, s.news)
		s.news = ""
	}
	if dropped := lines.Dropped; dropped > 0 {
		text := fmt.Sprintf("%d lines dropped", dropped)
		if s.last == 0 {
			text = fmt.Sprintf("%d earlier lines are not kept by %s", dropped, s.ring.Name())
		}
		s.remarkLocked(now, text)
	}
	for i := range lines.Lines {
		line := &lines.Lines[i]
		if line.Sequence <= s.last {
			continue
		}
		s.last = line.Sequence
		text, message := state.ParseLogText(line.Text, s.ring.Name())
		s.ring.Add(state.LogLine{
			Time: line.Time.UnixNano(), Sequence: line.Sequence, Text: text, Message: message, Level: levelOf(line.Level),
		})
	}
}

// levelOf reads a level; one that is not known counts as information.
func levelOf(text string) slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(text)) != nil {
		return slog.LevelInfo
	}
	return level
}

// Times of the comparison of clocks.
const (
	clockSamplesFirst = 4 // before the first line of a connection
	clockSamples      = 2 // from then on
	clockInterval     = 5 * time.Second
)

// Clocks is the [Follower] that goes on comparing the replicas' clocks with this program's, so that their lines stay in
// order when clocks drift or are set.
func (l *Logs) Clocks() Follower { return clocks{l} }

type clocks struct{ logs *Logs }

// Follow asks for the time every few seconds until the connection ends.
func (c clocks) Follow(ctx context.Context, replica string, operator *client.Operator) error {
	ticker := time.NewTicker(clockInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		_, err := c.logs.compareClocks(ctx, c.logs.source(replica), operator, clockSamples)
		if err != nil {
			return fmt.Errorf("ask %s for its time: %w", replica, err)
		}
	}
}

// compareClocks asks a replica for its time, so many times, and believes the quickest answer: the replica's clock was
// read somewhere between question and answer, so the middle of the two is off by at most half of what they took.
func (l *Logs) compareClocks(
	ctx context.Context, source *logSource, operator *client.Operator, samples int,
) (*protocol.HelloAnswer, error) {
	var hello *protocol.HelloAnswer
	var offset, accuracy time.Duration
	for range samples {
		asked := l.now()
		answer, err := operator.Hello(ctx, protocol.Hello{Program: "synod"})
		if err != nil {
			return nil, err
		}
		hello = answer
		took := l.now().Sub(asked)
		if half := max(took/2, 1); !answer.Now.IsZero() && (accuracy == 0 || half < accuracy) {
			offset, accuracy = answer.Now.Sub(asked.Add(took/2)), half
		}
	}
	if offset.Abs() <= accuracy {
		offset = 0 // not to be told from the same clock, which it is on one machine
	}
	if accuracy > 0 { // a replica that does not tell its time keeps an unknown offset
		source.change(func() { source.ring.Correct(offset, accuracy) })
	}
	return hello, nil
}
