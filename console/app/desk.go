package app

import (
	"context"
	"sync"
	"time"

	"synod/console/command"
	"synod/console/state"
)

// waitingMax bounds the commands that wait for the running one.
const waitingMax = 256

// Desk is between the screen and the executor. It is the executor's Writer and asks its questions; the screen takes
// snapshots of it. Safe for concurrent use.
type Desk struct {
	now   func() time.Time
	lines chan string

	mutex   sync.Mutex // guards what follows
	session state.Session
	cancel  context.CancelFunc // of the running command; nil without one
	answer  chan string        // of the open question; nil without one
}

// NewDesk makes a Desk.
func NewDesk() *Desk { return &Desk{now: time.Now, lines: make(chan string, waitingMax)} }

// Submit queues a command; false if too many wait.
func (d *Desk) Submit(line string) bool {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	select {
	case d.lines <- line:
		d.session.Waiting = len(d.lines)
		return true
	default:
		return false
	}
}

// Session copies what is shown. The entries are shared and are not changed.
func (d *Desk) Session() state.Session {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.session
}

// Cancel ends the running command and drops those that wait; false if there is none.
func (d *Desk) Cancel() bool {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.cancel == nil {
		return false
	}
	d.cancel()
	for len(d.lines) > 0 {
		<-d.lines
	}
	d.session.Waiting = 0
	return true
}

// Answer ends the open question.
func (d *Desk) Answer(text string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.answer != nil {
		d.answer <- text // has room for the one answer
		d.answer, d.session.Question = nil, nil
	}
}

// Serve runs the commands that are submitted, one after the other, until ctx ends or one of them says that nothing
// should follow. Each gets a context of its own, which Cancel ends.
func (d *Desk) Serve(ctx context.Context, run func(ctx context.Context, line string) (more bool)) {
	for {
		select {
		case <-ctx.Done():
			return
		case line := <-d.lines:
			own := d.begin(ctx, line)
			more := run(own, line)
			cancelled := own.Err() != nil && ctx.Err() == nil
			d.finish()
			if !more && !cancelled {
				return
			}
		}
	}
}

func (d *Desk) begin(ctx context.Context, line string) context.Context {
	own, cancel := context.WithCancel(ctx)
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.cancel = cancel
	d.session.Running, d.session.Since, d.session.Waiting = command.Visible(line), d.now(), len(d.lines)
	typed := state.Entry{At: d.now(), Tone: state.Typed, Text: "> " + command.Visible(line)}
	d.session = d.session.Append(typed)
	return own
}

func (d *Desk) finish() {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.cancel()
	d.cancel, d.session.Running = nil, ""
}

func (d *Desk) add(entries ...state.Entry) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.session = d.session.Append(entries...)
}

// Say adds lines that are no result.
func (d *Desk) Say(tone state.Tone, text string) { d.add(state.Lines(d.now(), tone, text)...) }

// Result adds the lines of a result and counts it.
func (d *Desk) Result(r command.Result) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.session = d.session.Append(state.Result(r)...)
	d.session.Sent++
	if r.Failed() {
		d.session.Failed++
	}
}

// Report adds the lines of a report.
func (d *Desk) Report(r command.Report) { d.Say(state.Answer, command.RenderReport(r)) }

// Note adds a remark. What repeats the failure of the result before it is left out: the result shows it.
func (d *Desk) Note(n command.Note) {
	switch n.Level {
	case command.Warning:
	case command.Failed:
		d.Say(state.Bad, "  "+command.RenderNote(n))
	default:
		d.Say(state.Remark, "  "+command.RenderNote(n))
	}
}

// Summary adds nothing: the title of the pane counts.
func (d *Desk) Summary(command.Summary) {}

// Ask shows a question and waits for the answer. The end of the context is a no.
func (d *Desk) Ask(ctx context.Context, danger command.Danger) bool {
	answer := make(chan string, 1)
	d.mutex.Lock()
	d.answer = answer
	d.session.Question = &state.Question{Text: danger.Command + " " + danger.Effect, Type: danger.Type}
	d.mutex.Unlock()
	select {
	case text := <-answer:
		if danger.Type != "" {
			return text == danger.Type
		}
		return text == "y" || text == "yes"
	case <-ctx.Done():
		d.mutex.Lock()
		defer d.mutex.Unlock()
		d.answer, d.session.Question = nil, nil
		return false
	}
}
