package processtest

import (
	"strings"
	"testing"
	"time"

	"synod/protocol"
)

// history makes operations of one key that follow each other, a millisecond each.
func sequence(operations ...Operation) *History {
	h := &History{Timeout: time.Second}
	for i, o := range operations {
		o.Key = "k"
		if o.Return == 0 {
			o.Call, o.Return = time.Duration(2*i)*time.Millisecond, time.Duration(2*i+1)*time.Millisecond
		}
		if o.Outcome == "" {
			o.Outcome = Done
		}
		o.Found = o.Kind == Get && o.Value != ""
		if o.Outcome != Done && o.Code == 0 {
			o.Code, o.Text = protocol.CodeTimeout, "timeout"
		}
		h.Operations = append(h.Operations, o)
	}
	h.sort()
	return h
}

func TestTheVerdictFindsWhatIsWrong(t *testing.T) {
	put := func(value string, revision uint64) Operation {
		return Operation{Kind: Put, Value: value, Revision: revision}
	}
	get := func(value string, revision uint64) Operation {
		return Operation{Kind: Get, Value: value, Revision: revision}
	}
	lost := Operation{Kind: Put, Value: "u", Outcome: Unknown}
	for _, c := range []struct {
		name, words string
		history     *History
	}{
		{"right", "", sequence(
			put("a", 1), get("a", 1), put("b", 2), get("b", 2), Operation{Kind: Delete, Revision: 3}, get("", 0))},
		{"unknown and never seen", "", sequence(put("a", 1), lost, get("a", 1), put("b", 2), get("b", 2))},
		{"unknown and seen late", "", sequence(put("a", 1), lost, get("a", 1), get("u", 2), put("b", 3))},
		{"unknown and seen, then gone", "lost or stale", sequence(put("a", 1), lost, get("u", 2), get("a", 1))},
		{"unknown and seen as older", "not linearizable", sequence(put("a", 2), lost, get("u", 1))},
		{"unknown delete", "", sequence(put("a", 1), Operation{Kind: Delete, Outcome: Unknown}, get("a", 1), get("", 0))},
		{
			"unknown delete undone", "not linearizable",
			sequence(put("a", 1), Operation{Kind: Delete, Outcome: Unknown}, get("", 0), get("a", 1)),
		},
		{"lost", "lost or stale", sequence(put("a", 1), get("", 0))},
		{"stale", "lost or stale", sequence(put("a", 1), put("b", 2), get("a", 1))},
		{"twice", "executed twice", sequence(put("a", 1), get("a", 1), put("b", 2), get("a", 3))},
		{"invented", "nobody wrote", sequence(put("a", 1), get("z", 2))},
		{"not sent but executed", "though not sent", sequence(
			Operation{Kind: Put, Value: "a", Outcome: NotSent}, get("a", 1))},
		{"order", "out of order", sequence(put("a", 2), put("b", 1))},
		{"one revision twice", "of two updates", sequence(put("a", 1), put("b", 1))},
		{"late", "late:", sequence(Operation{Kind: Put, Value: "a", Revision: 1, Return: 10 * time.Second})},
		{"conflict", "no fault explains", sequence(Operation{
			Kind: Put, Value: "a", Outcome: NotSent, Code: protocol.CodeConflict, Text: "x",
		})},
	} {
		err := c.history.Check()
		switch {
		case c.words == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.words != "" && (err == nil || !strings.Contains(err.Error(), c.words)):
			t.Errorf("%s: the verdict is %v, want %q", c.name, err, c.words)
		}
	}
}

func TestTheCountFindsWhatWasExecutedTwiceOrLost(t *testing.T) {
	h := sequence(Operation{Kind: Put, Value: "a", Revision: 11}, Operation{Kind: Put, Value: "b", Outcome: Unknown})
	for after, right := range map[uint64]bool{11: false, 12: true, 13: true, 14: false} {
		h.Before, h.After = 10, after
		if err := h.Check(); (err == nil) != right {
			t.Errorf("%d updates executed: %v", after-11, err)
		}
	}
}

func TestTheLongestGap(t *testing.T) {
	h := sequence(Operation{Kind: Put, Value: "a", Revision: 1}, Operation{Kind: Put, Value: "b", Revision: 2})
	if got := h.LongestGap(0, 10*time.Millisecond); got != 7*time.Millisecond {
		t.Errorf("the gap behind the last update is %v", got)
	}
}
