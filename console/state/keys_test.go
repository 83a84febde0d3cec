package state

import (
	"fmt"
	"strings"
	"testing"
)

// copyText reads copies such as "100:7=x 90:5=y 100:-": applied, revision and value; - for no key, ? for no answer.
func copyText(text string) []KeyCopy {
	var copies []KeyCopy
	for i, word := range strings.Fields(text) {
		c := KeyCopy{Replica: fmt.Sprintf("r%d", i+1)}
		if word != "?" {
			var value string
			c.Answered, c.Found = true, true
			if n, _ := fmt.Sscanf(word, "%d:%d=%s", &c.Applied, &c.Revision, &value); n < 3 {
				c.Found, c.Revision = false, 0
			}
			c.Bytes = len(value)
			for _, char := range value {
				c.CRC += uint32(char)
			}
		}
		copies = append(copies, c)
	}
	return copies
}

func TestJudgeCopies(t *testing.T) {
	for _, row := range []struct{ copies, want string }{
		{"100:7=x 100:7=x 90:7=x", "same same same"},
		{"100:7=x 100:7=x 90:5=y ?", "same same BEHIND no answer"},
		{"100:7=x 100:7=x 90:-", "same same BEHIND"},
		{"100:- 100:- 90:5=y", "same same BEHIND"},
		{"100:7=x 100:7=x 100:7=y", "same same DIVERGENCE"},
		{"100:7=x 100:7=x 100:-", "same same DIVERGENCE"},
		{"100:7=x 100:7=x 90:7=y", "same same DIVERGENCE"},
		{"100:7=x 100:7=x 90:9=y", "same same DIVERGENCE"},
		{"120:7=y 100:7=x 100:7=x", "DIVERGENCE BEHIND BEHIND"},
		{"100:7=x 100:7=y ?", "DIVERGENCE DIVERGENCE no answer"},
		{"? ? ?", "no answer no answer no answer"},
		{"5:-", "same"},
	} {
		copies := copyText(row.copies)
		JudgeCopies(copies)
		var got []string
		for _, c := range copies {
			got = append(got, c.Verdict.String())
		}
		if text := strings.Join(got, " "); text != row.want {
			t.Errorf("%s: %s, want %s", row.copies, text, row.want)
		}
		compare := KeyCompare{Copies: copies}
		if diverged := compare.Diverged() != ""; diverged != strings.Contains(row.want, "DIVERGENCE") {
			t.Errorf("%s: diverged %t", row.copies, diverged)
		}
	}
}

func TestKeyPrefixes(t *testing.T) {
	for _, row := range []struct{ prefix, parent string }{{"", ""}, {"a/", ""}, {"a/b/", "a/"}, {"/", ""}, {"//", "/"}} {
		if got := KeyParent(row.prefix); got != row.parent {
			t.Errorf("above %q is %q, want %q", row.prefix, got, row.parent)
		}
	}
	for _, row := range []struct {
		prefix, key, want string
		ok                bool
	}{
		{"", "a/b", "a/", true},
		{"a/", "a/b/c", "a/b/", true},
		{"a/", "a/b", "", false},
		{"b/", "a/b", "", false},
		{"", "/", "/", true},
	} {
		if got, ok := KeyBelow(row.prefix, row.key); got != row.want || ok != row.ok {
			t.Errorf("below %q, %q is in %q, %t", row.prefix, row.key, got, ok)
		}
	}
}

func TestNearestKeyKeepsThePlace(t *testing.T) {
	page := KeyPage{Rows: []KeyRow{{Key: "b"}, {Key: "d"}, {Key: "f"}}}
	for key, want := range map[string]int{"a": 0, "b": 0, "c": 1, "d": 1, "f": 2, "z": 2} {
		if got := page.Nearest(key); got != want {
			t.Errorf("%s is at %d, want %d", key, got, want)
		}
	}
	if got := (&KeyPage{}).Nearest("a"); got != -1 {
		t.Errorf("without rows %d", got)
	}
}
