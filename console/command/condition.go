package command

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// condition is what an `expect`, a `wait` or an `assert` asks for.
type condition struct {
	kind     string         // the first keyword: "ok", "value", "leader", …
	text     string         // value, replica, error kind or key
	pattern  *regexp.Regexp // of `value ~ "re"`
	within   time.Duration
	number   uint64
	operator string // of a comparison: "=", "!=" or ">="
}

// conditionReader reads the words of a condition one after the other.
type conditionReader struct {
	grammar *Grammar
	words   []value
	at      int
}

func (r *conditionReader) next() (value, bool) {
	if r.at >= len(r.words) {
		return value{}, false
	}
	r.at++
	return r.words[r.at-1], true
}

func (r *conditionReader) end() error {
	if r.at < len(r.words) {
		return &Problem{At: r.words[r.at].at, Text: "one condition for each line; quote a text with spaces"}
	}
	return nil
}

var (
	expectKeywords = []string{"ok", "missing", "value", "error", "from", "within", "revision"}
	waitKeywords   = []string{"leader", "converged", "alive=N", "chosen>=N", "faults"}
	assertKeywords = []string{"leader", "alive", "same", "converged", "faults", "linearizable"}
)

// expectation reads what follows `expect`.
func (g *Grammar) expectation(c *call) (condition, error) {
	r := &conditionReader{grammar: g, words: c.args}
	first, _ := r.next()
	keyword, err := keywordOf(first, expectKeywords)
	if err != nil {
		return condition{}, err
	}
	want := condition{kind: keyword}
	switch keyword {
	case "value":
		err = r.value(&want)
	case "error":
		err = r.text(&want, func(text string) error {
			if text == "any" || slices.Contains(failures, Failure(text)) {
				return nil
			}
			names := failureNames()
			return errors.New(unknownOf("error kind", text, append([]string{"any"}, names...)))
		})
	case "from":
		err = r.text(&want, g.replica)
	case "within":
		err = r.text(&want, func(text string) (err error) {
			want.within, err = parseDuration(text)
			return err
		})
	case "revision":
		err = r.text(&want, func(text string) (err error) {
			want.number, err = count(text)
			return err
		})
	}
	if err != nil {
		return condition{}, err
	}
	return want, r.end()
}

func keywordOf(word value, keywords []string) (string, error) {
	for _, keyword := range keywords {
		if word.keyword(keyword) {
			return keyword, nil
		}
	}
	text := unknownOf("condition", word.text, keywords)
	if word.quoted {
		text = "the condition comes first, without quotes: " + strings.Join(keywords, ", ")
	}
	return "", &Problem{At: word.at, Text: text}
}

// text reads one word, with whose check the condition is content, into the condition.
func (r *conditionReader) text(want *condition, check func(string) error) error {
	word, ok := r.next()
	if !ok {
		return shortError(want.kind + " needs one more word")
	}
	want.text = word.text
	if !word.known {
		return nil
	}
	if err := check(word.text); err != nil {
		return &Problem{At: word.at, Text: err.Error()}
	}
	return nil
}

// value reads `"x"` or `~ "re"`.
func (r *conditionReader) value(want *condition) error {
	if r.at < len(r.words) && r.words[r.at].keyword("~") {
		r.at++
		return r.text(want, func(text string) (err error) {
			want.pattern, err = regexp.Compile(text)
			return err
		})
	}
	return r.text(want, func(string) error { return nil })
}

func count(text string) (uint64, error) {
	number, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%s is no whole number from 0 up", Quote(text))
	}
	return number, nil
}

// waiting reads what follows `wait`: leader, converged, alive=5, chosen>=100 or faults = 0.
func (g *Grammar) waiting(c *call) (condition, error) {
	if alive, ok := c.options["alive"]; ok {
		if len(c.args) > 0 {
			return condition{}, &Problem{At: c.args[0].at, Text: "one condition for each line"}
		}
		want := condition{kind: "alive", operator: ">=", text: alive.text}
		return want, numbered(&want, alive)
	}
	r := &conditionReader{grammar: g, words: c.args}
	first, ok := r.next()
	if !ok {
		return condition{}, shortError("wait for what? have " + strings.Join(waitKeywords, ", "))
	}
	if digits, ok := strings.CutPrefix(first.text, "chosen>="); ok && !first.quoted {
		want := condition{kind: "chosen", operator: ">="}
		first.text = digits
		if err := numbered(&want, first); err != nil {
			return want, err
		}
		return want, r.end()
	}
	if !first.known {
		return condition{kind: "chosen"}, r.end()
	}
	keyword, err := keywordOf(first, waitKeywords)
	if err == nil && strings.HasSuffix(keyword, "N") {
		err = &Problem{At: first.at, Text: "write a number for N, without spaces"}
	}
	if err != nil {
		return condition{}, err
	}
	want := condition{kind: keyword}
	if err := r.compared(&want); err != nil {
		return want, err
	}
	return want, r.end()
}

// compared reads `= rN`, `>= 3` and the like behind a keyword that takes it.
func (r *conditionReader) compared(want *condition) error {
	operators := map[string][]string{"leader": {"=", "!="}, "alive": {">=", "="}, "faults": {"=", ">="}}[want.kind]
	if operators == nil {
		return nil
	}
	word, ok := r.next()
	switch {
	case !ok && want.kind == "leader":
		return nil
	case !ok:
		return shortError(fmt.Sprintf("write %s %s 3, with spaces around %s", want.kind, operators[0], operators[0]))
	}
	if want.operator = word.text; word.quoted || !slices.Contains(operators, word.text) {
		return &Problem{At: word.at, Text: fmt.Sprintf("%s takes %s here, with spaces around it", want.kind,
			strings.Join(operators, " or "))}
	}
	if want.kind == "leader" {
		return r.text(want, r.grammar.replica)
	}
	return r.text(want, func(text string) (err error) {
		want.number, err = count(text)
		return err
	})
}

func numbered(want *condition, word value) error {
	if !word.known {
		return nil
	}
	number, err := count(word.text)
	if err != nil {
		return &Problem{At: word.at, Text: err.Error()}
	}
	want.number = number
	return nil
}

// assertion reads what follows `assert`: leader [= rN], alive >= 3, same K @all, converged, and the like.
func (g *Grammar) assertion(c *call) (condition, error) {
	r := &conditionReader{grammar: g, words: c.args}
	first, _ := r.next()
	keyword, err := keywordOf(first, assertKeywords)
	if err != nil {
		return condition{}, err
	}
	want := condition{kind: keyword}
	if err = r.compared(&want); err != nil {
		return want, err
	}
	if keyword == "same" {
		err = r.text(&want, func(text string) error { return g.value(&Parameter{Name: "K", Kind: KindKey}, text) })
	}
	if err != nil {
		return want, err
	}
	return want, r.end()
}
