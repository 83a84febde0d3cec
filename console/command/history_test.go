package command

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// judged records a history: each line is "begin end what", in milliseconds.
func judged(t *testing.T, lines ...string) (problem string, violation bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &history{begun: time.Now()}
		begun := h.begun
		type ended struct {
			at      time.Duration
			request Request
			reply   Reply
			begun   time.Time
		}
		var ends []ended
		for n, line := range lines {
			var from, to int
			var what, value, more string
			_, _ = fmt.Sscanf(line, "%d %d %s %s %s", &from, &to, &what, &value, &more) // the last ones may be missing
			end := ended{at: time.Duration(to) * time.Millisecond, begun: begun.Add(time.Duration(from) * time.Millisecond)}
			end.request = Request{Operation: Operation(what), Key: []byte("k"), Value: []byte(value), Stale: more == "stale"}
			end.reply = Reply{RequestID: fmt.Sprint(n)}
			switch {
			case what == "get":
				end.reply.Found, end.reply.Value = value != "-", []byte(value)
			case what == "retry":
				end.request = Request{Operation: Retry, RequestID: value}
			case more == "unknown" || value == "unknown":
				end.reply.Failure, end.reply.Outcome, end.reply.Err = Timeout, Unknown, errors.New("no answer")
			case more == "unsent":
				end.reply.Failure, end.reply.Outcome = Unreachable, NotSent
			}
			ends = append(ends, end)
		}
		slices.SortStableFunc(ends, func(a, b ended) int { return cmp.Compare(a.at, b.at) })
		for _, end := range ends {
			time.Sleep(end.at - time.Since(begun))
			h.record(end.request, end.reply, end.begun)
		}
		problem, violation = h.judge()
	})
	return problem, violation
}

func TestHistoryIsJudged(t *testing.T) {
	for _, row := range []struct {
		name  string
		lines []string
		bad   bool
	}{
		{"nothing is known before", []string{"0 1 get old", "2 3 put a", "4 5 get a", "6 7 del", "8 9 get -"}, false},
		{"a lost update", []string{"0 1 put a", "2 3 get -"}, true},
		{"an old value", []string{"0 1 put a", "2 3 put b", "4 5 get a"}, true},
		{"an old value, asked for as such", []string{"0 1 put a", "2 3 put b", "4 5 get a stale", "6 7 get b"}, false},
		{"it flickers", []string{"0 9 put b", "1 2 get b", "3 4 get -", "10 11 get b"}, true},
		{"at once", []string{"0 5 put a", "1 6 put b", "7 8 get a", "9 10 get a"}, false},
		{"without an answer, it happened late", []string{"0 1 put a", "2 3 put b unknown", "4 5 get a", "6 7 get b"}, false},
		{"without an answer, it happened twice", []string{
			"0 1 put a", "2 3 put b unknown", "4 5 get b", "6 7 put c", "8 9 get b",
		}, true},
		{"retried, it has happened by then", []string{"0 1 put a", "2 3 put b unknown", "4 5 retry 1", "6 7 get a"}, true},
		{"retried, and seen", []string{"0 1 put a", "2 3 put b unknown", "4 5 retry 1", "6 7 get b"}, false},
		{"never sent", []string{"0 1 put a", "2 3 put b unsent", "4 5 get a"}, false},
		{"never sent, and seen", []string{"0 1 put a", "2 3 put b unsent", "4 5 get b"}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			if problem, violation := judged(t, row.lines...); violation != row.bad || (problem != "") != row.bad {
				t.Errorf("%q, violation %v", problem, violation)
			}
		})
	}
}

func TestHistoryIsBounded(t *testing.T) {
	h := &history{begun: time.Now()}
	for range historyRequestsMax + 1 {
		h.record(Request{Operation: Get, Key: []byte("k")}, Reply{}, time.Now())
	}
	if problem, violation := h.judge(); violation || !strings.Contains(problem, "undecided") {
		t.Errorf("%q, violation %v", problem, violation)
	}
}
