package protocol

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"synod/core/session"
)

func TestCodesAreNeverRenumbered(t *testing.T) {
	const want = "1 unreachable, 2 unavailable, 3 timeout, 4 no_quorum, 5 overloaded, 6 too_large, 7 session_expired, " +
		"8 conflict, 9 denied, 10 read_only, 11 version, 12 closed, 13 corrupt, 14 internal"
	var have []string
	for c := Code(1); int(c) < len(codeWords); c++ {
		have = append(have, fmt.Sprintf("%d %s", c, c))
	}
	if got := strings.Join(have, ", "); got != want {
		t.Errorf("codes are\n%s, want\n%s", got, want)
	}
	if !Code(999).Executed() || Code(999).Retry() != RetryNever {
		t.Error("a code of the future must count as unknown outcome, never repeated")
	}
}

func TestErrorTextIsCutBetweenCharacters(t *testing.T) {
	for n := range 4 {
		e := Refuse(CodeDenied, 1, strings.Repeat("x", SentenceBytesMax-n)+"äöü€")
		f, err := DecodeFrame(e.Append(nil, 1), ClientFrameBytesMax)
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeError(f.Body)
		if err != nil || !utf8.ValidString(back.Text) || !strings.HasPrefix(e.Text, back.Text) ||
			len(back.Text) < SentenceBytesMax-4 {
			t.Errorf("%d: %d bytes of %d arrived, %v", n, len(back.Text), len(e.Text), err)
		}
		if !errors.Is(back, Refuse(CodeDenied, 0, "")) || errors.Is(back, Refuse(CodeClosed, 0, "")) {
			t.Error("errors.Is does not compare codes")
		}
	}
}

func TestStatusErrors(t *testing.T) {
	if e := StatusError(session.OK); e != nil {
		t.Errorf("ok is the error %v", e)
	}
	if !StatusError(session.Overloaded).MayHaveRun() || Refuse(CodeOverloaded, 1, "").MayHaveRun() {
		t.Error("overloaded when applied leaves the outcome open, overloaded on arrival does not")
	}
	for s, want := range map[session.Status]Code{
		session.Expired: CodeSessionExpired, session.Conflict: CodeConflict, session.Overloaded: CodeOverloaded,
		session.Stale: CodeInternal, 77: CodeInternal,
	} {
		if e := StatusError(s); e == nil || e.Code != want {
			t.Errorf("%s is %v, want %s", s, e, want)
		}
	}
}
