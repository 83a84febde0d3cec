package app

import (
	"context"
	"strings"
	"testing"
	"time"

	"synod/console/command"
)

func TestDeskRunsCancelsAndAsks(t *testing.T) {
	d := NewDesk()
	d.now = noon
	started, asked := make(chan string, 10), make(chan bool, 1)
	served := make(chan struct{})
	go func() {
		defer close(served)
		d.Serve(t.Context(), func(ctx context.Context, line string) bool {
			started <- line
			switch line {
			case "hang":
				<-ctx.Done()
				return false
			case "ask":
				asked <- d.Ask(ctx, command.Danger{Command: "crash r3", Effect: "stops", Type: "demo"})
			}
			return line != "quit"
		})
	}()
	d.Submit("hang")
	<-started
	d.Submit("dropped")
	if !d.Cancel() {
		t.Error("there was nothing to cancel")
	}
	d.Submit("ask")
	<-started
	for d.Session().Question == nil {
		time.Sleep(time.Millisecond) // the question is on its way; the test's own limit ends a wait for nothing
	}
	d.Answer("demo")
	if !<-asked {
		t.Error("the right word was no yes")
	}
	d.Submit("quit")
	<-served
	if d.Cancel() {
		t.Error("something runs after quit")
	}
	var typed []string
	for _, entry := range d.Session().Entries {
		typed = append(typed, entry.Text)
	}
	if got := strings.Join(typed, " "); got != "> hang > ask > quit" {
		t.Errorf("session %q", got)
	}
}

func TestGuardKeepsAPanic(t *testing.T) {
	g := &Guard{}
	ended := make(chan struct{})
	g.OnPanic(func() { close(ended) })
	g.Go(func() { panic("broken") })
	<-ended
	if err := g.Err(); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("error %v", err)
	}
}
