package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

func (e *Executor) get(ctx context.Context, f *frame, c *call) bool {
	return e.data(ctx, f, c, Request{Operation: Get, Key: []byte(c.arg(0)), Stale: f.stale(c)})
}

func (e *Executor) put(ctx context.Context, f *frame, c *call) bool {
	value := []byte(c.arg(1))
	if name := c.option("file", ""); name != "" {
		var err error
		if value, err = e.ports.ReadFile(name); err != nil {
			err = fmt.Errorf("read the value from %s: %w", Quote(name), err)
		} else if len(value) > valueBytesMax {
			err = fmt.Errorf("file %s is larger than a value may be, %d bytes", Quote(name), valueBytesMax)
		}
		if err != nil {
			e.usage(Problem{At: c.at, Text: err.Error()})
			f.failed, f.last = true, nil
			return true
		}
	}
	return e.data(ctx, f, c, Request{Operation: Put, Key: []byte(c.arg(0)), Value: value})
}

func (e *Executor) del(ctx context.Context, f *frame, c *call) bool {
	return e.data(ctx, f, c, Request{Operation: Delete, Key: []byte(c.arg(0))})
}

func (e *Executor) scan(ctx context.Context, f *frame, c *call) bool {
	limit, err := strconv.Atoi(c.option("limit", strconv.Itoa(scanLimitDefault)))
	if err != nil {
		panic("command: unchecked limit: " + err.Error())
	}
	return e.data(ctx, f, c, Request{
		Operation: Scan, Key: []byte(c.arg(0)), Limit: limit, After: []byte(c.option("after", "")),
		Values: c.option("values", "no") == "yes", Stale: f.stale(c),
	})
}

func (e *Executor) retry(ctx context.Context, f *frame, c *call) bool {
	e.mutex.Lock()
	last := e.lastUnknown
	e.mutex.Unlock()
	if last.id == "" {
		e.usage(Problem{At: c.at, Text: "nothing to retry: no update of this run has an unknown outcome and an id to repeat it"})
		f.failed, f.last = true, nil
		return true
	}
	return e.data(ctx, f, c, Request{Operation: Retry, RequestID: last.id, Failed: last.err})
}

// doubt is the last update with unknown outcome.
type doubt struct {
	id  string
	err error
}

func (f *frame) stale(c *call) bool { return c.option("read", f.read) == "stale" }

// limit gives the time that a command has.
func (f *frame) limit(c *call) time.Duration {
	text := c.option("timeout", "")
	if text == "" {
		return f.timeout
	}
	d, err := parseDuration(text)
	if err != nil {
		panic("command: unchecked duration: " + err.Error())
	}
	return d
}

// data sends a request to its target, or to all replicas at once, and records what came of it.
func (e *Executor) data(ctx context.Context, f *frame, c *call, request Request) bool {
	ctx, cancel := context.WithTimeout(ctx, f.limit(c))
	defer cancel()
	target := f.target
	if c.target.text != "" {
		target = c.target.text
	}
	var replies []Reply
	if target == targetAll && len(e.grammar.replicas) > 0 {
		replies = e.sendAll(ctx, c, request)
	} else {
		request.Replica = target
		replies = []Reply{e.sendOne(ctx, f, c, request)}
	}
	f.last, f.excused = nil, false
	for _, reply := range replies {
		result := Result{
			Command: shown(c), Verb: c.verb.Name, Replica: reply.Replica, Request: request, Reply: reply,
			Format: c.option("format", f.format), Status: statusOf(request, reply),
		}
		f.failed = f.failed || result.Failed()
		f.last = append(f.last, e.record(c, result))
	}
	return true
}

func statusOf(request Request, reply Reply) string {
	switch {
	case reply.Failure != "":
		return string(reply.Failure)
	case request.Operation == Get && !reply.Found:
		return StatusMissing
	}
	return StatusOK
}

// sendAll asks all replicas at once; the replies are in the order of the replicas.
func (e *Executor) sendAll(ctx context.Context, c *call, request Request) []Reply {
	replies := make([]Reply, len(e.grammar.replicas))
	var asked sync.WaitGroup
	for i, replica := range e.grammar.replicas {
		asked.Go(func() {
			own := request
			own.Replica = replica
			replies[i] = e.send(ctx, c, own)
		})
	}
	asked.Wait()
	return replies
}

// sendOne sends a request whose Replica is still the word of a target to the replica that the word means.
func (e *Executor) sendOne(ctx context.Context, f *frame, c *call, request Request) Reply {
	target := request.Replica
	request.Replica = ""
	if request.Operation != Get && request.Operation != Scan && e.settings.ReadOnly {
		err := errors.New("this console is read-only")
		return Reply{Failure: ReadOnly, Outcome: NotSent, Err: err}
	}
	switch target {
	case targetAuto, targetAll:
	case targetRandom:
		if len(e.grammar.replicas) > 0 {
			request.Replica = e.grammar.replicas[f.random.IntN(len(e.grammar.replicas))]
		}
	case targetLeader:
		leader, votes := leaderOf(e.look(ctx, pollTimeout))
		if votes == 0 {
			return Reply{Failure: Unavailable, Outcome: NotSent, Err: errors.New("no replica knows a leader")}
		}
		request.Replica = leader
	default:
		request.Replica = target
	}
	return e.send(ctx, c, request)
}

// send is the only place where a request leaves. What it returns, the client's log holds too.
func (e *Executor) send(ctx context.Context, c *call, request Request) Reply {
	begun := time.Now()
	reply := e.ports.Cluster.Do(ctx, request)
	if reply.Latency == 0 {
		reply.Latency = time.Since(begun)
	}
	if reply.Replica == "" {
		reply.Replica = request.Replica
	}
	if reply.Failure == "" && reply.Err != nil {
		reply.Failure = Internal
	}
	e.logReply(ctx, c, request, reply)
	e.history.record(request, reply, begun)
	return reply
}

// logReply writes one line to the client's log.
func (e *Executor) logReply(ctx context.Context, c *call, request Request, reply Reply) {
	took := slog.String("took", milliseconds(reply.Latency))
	fields := []slog.Attr{slog.String("op", string(request.Operation))}
	if len(request.Key) > 0 {
		fields = append(fields, slog.String("key", cut(Quote(string(request.Key)))))
	}
	fields = append(fields, slog.String("to", orDash(reply.Replica)))
	if reply.RequestID != "" {
		fields = append(fields, slog.String("req", reply.RequestID))
	}
	if c.at.Line > 0 {
		fields = append(fields, slog.Int("line", c.at.Line))
	}
	level, text := slog.LevelInfo, "reply"
	switch {
	case reply.Failure == "":
		fields = append(fields, took, slog.String("status", statusOf(request, reply)))
		if reply.Revision > 0 {
			fields = append(fields, slog.Uint64("revision", reply.Revision))
		}
	case reply.unsent():
		level, text = slog.LevelWarn, "request not sent"
	case reply.Failure == NoQuorum:
		level, text = slog.LevelWarn, "no quorum"
	case reply.Outcome == Unknown || reply.Failure == Timeout || reply.Failure == Closed:
		level, text = slog.LevelError, "no reply"
	default:
		level, text = slog.LevelWarn, "request refused"
	}
	if reply.Failure != "" {
		fields = append(fields, slog.String("after", milliseconds(reply.Latency)), slog.String("kind", string(reply.Failure)),
			slog.String("outcome", reply.Outcome.String()))
		if reply.Err != nil {
			fields = append(fields, slog.String("err", reply.Err.Error()))
		}
	}
	e.ports.Log.LogAttrs(ctx, level, text, fields...)
}

// logCommand writes one line to the client's log about what is no request: a fault, what ended it, a wait.
func (e *Executor) logCommand(r *Result) {
	fields := []slog.Attr{slog.String("command", cut(r.Command))}
	if r.Replica != "" {
		fields = append(fields, slog.String("to", r.Replica))
	}
	if r.At.Line > 0 {
		fields = append(fields, slog.Int("line", r.At.Line))
	}
	fields = append(fields, slog.String("took", milliseconds(r.Reply.Latency)), slog.String("status", r.Status))
	if len(r.Faults) > 0 {
		fields = append(fields, slog.String("faults", strings.Join(r.Faults, " ")))
	}
	level := slog.LevelInfo
	if r.Reply.Err != nil {
		level = slog.LevelWarn
		fields = append(fields, slog.String("err", r.Reply.Err.Error()))
	}
	e.ports.Log.LogAttrs(context.Background(), level, "command", fields...)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// record counts a result, numbers it and writes it.
func (e *Executor) record(c *call, result Result) Result {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.sequence++
	result.At, result.Sequence, result.Time = c.at, e.sequence, time.Now()
	failed := result.Failed()
	switch {
	case c.verb.Group == Data:
		e.count(result)
	case failed:
		e.summary.OtherFailed++
	default:
		e.summary.Other++
	}
	if c.verb.Group != Data {
		e.logCommand(&result)
	}
	e.ports.Output.Result(result)
	if failed {
		e.ports.Output.Note(Note{At: c.at, Time: result.Time, Level: Warning, Text: failureNote(result)})
	}
	return result
}

// count adds a data command to the summary; the mutex is held.
func (e *Executor) count(result Result) {
	reply := result.Reply
	e.summary.Requests++
	switch result.Status {
	case StatusOK:
		e.summary.OK++
	case StatusMissing:
		e.summary.Missing++
	default:
		e.summary.Failures[reply.Failure]++
		if reply.unsent() {
			e.summary.Unsent++
		}
	}
	update := result.Request.Operation != Get && result.Request.Operation != Scan
	switch {
	case reply.Outcome == Unknown && update:
		e.summary.Unknown++
		if reply.RequestID != "" {
			e.lastUnknown = doubt{id: reply.RequestID, err: reply.Err}
		}
	case result.Request.Operation == Retry && reply.Failure == "" && e.lastUnknown.id == result.Request.RequestID:
		e.lastUnknown = doubt{}
	}
}

// failureNote says in a sentence what became of a request.
func failureNote(result Result) string {
	fate := string(result.Reply.Failure)
	switch {
	case result.Reply.unsent() && result.Reply.Failure != Denied && result.Reply.Failure != ReadOnly:
		fate = "not sent"
	case result.Reply.Outcome == Unknown && result.Verb != string(Get) && result.Verb != string(Scan):
		fate += ", outcome unknown"
	}
	to := ""
	if result.Replica != "" && !strings.HasSuffix(result.Command, result.Replica) {
		to = " to " + result.Replica
	}
	text := cut(result.Command) + to + ": " + fate
	if result.Reply.Err != nil {
		text += ": " + Visible(result.Reply.Err.Error())
	}
	return text
}

// shown is a command as results show it: verb and arguments, with the variables' values in their places.
func shown(c *call) string {
	words := []string{c.verb.Name}
	for _, v := range c.args {
		words = append(words, Plain(v.text))
	}
	for i := range c.verb.Options { // how a fault was meant belongs to it; of requests only where the value came from
		name := c.verb.Options[i].Name
		if text := c.option(name, ""); text != "" && (c.verb.Group == Faults && name != "timeout" || name == "file") {
			words = append(words, name+"="+Plain(text))
		}
	}
	return strings.Join(words, " ")
}

// cut shortens long text for a line of output.
func cut(text string) string { return cutTo(text, 60) }

// cutTo shortens text to a number of characters, the last of which then shows that there was more.
func cutTo(text string, lettersMax int) string {
	letters, end := 0, 0
	for at := range text {
		if letters++; letters == lettersMax {
			end = at
		}
		if letters > lettersMax {
			return text[:end] + "…"
		}
	}
	return text
}
