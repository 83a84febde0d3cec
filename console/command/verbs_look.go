package command

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Limits of what is looked at.
const (
	slotsShownMax   = 200 // of one replica's answer
	slotsShown      = 20
	logLinesMax     = 100_000
	logLinesShown   = 100
	statCountMax    = 1_000_000
	ballotsShownMax = 200
	ballotsShown    = 20
)

func optionalReplica() Parameter { return Parameter{Name: "rN", Kind: KindReplica, Optional: true} }

func lookVerbs() []Verb {
	return append([]Verb{
		{
			Name: "status", Group: Look, Help: "state of all replicas or of one",
			Arguments: []Parameter{optionalReplica()}, Options: []Parameter{timeoutOption},
			Long:     "For each replica: its roles, the leader it follows, its ballot, and how far it has chosen and applied.",
			Examples: []string{"status", "status r3"},
		},
		{
			Name: "replicas", Group: Look, Help: "which replicas answer, and how fast", Options: []Parameter{timeoutOption},
			Examples: []string{"replicas"},
		},
		{
			Name: "leader", Group: Look, Help: "who leads, by the word of the replicas", Options: []Parameter{timeoutOption},
			Examples: []string{"leader"},
		},
		{
			Name: "metrics", Group: Look, Help: "counters, positions, queues and durations",
			Arguments: []Parameter{optionalReplica()}, Options: []Parameter{timeoutOption},
			Long:     "What people look at first; all of it is at the /metrics address of each replica, if that is configured.",
			Examples: []string{"metrics", "metrics r3"},
		},
		{
			Name: "stat", Group: Look, Help: "one line a second until ctrl-C",
			Options: []Parameter{
				{Name: "count", Kind: KindInteger, Low: 1, High: statCountMax, Help: "lines (without end)"},
				{Name: "every", Kind: KindDuration, Help: "from line to line (1s)"},
			},
			Long:     "Replicas that answer, leader, ballot, positions, answered requests a second, and their durations.",
			Examples: []string{"stat count=5", "stat every=200ms count=10"},
		},
		{
			Name: "latency", Group: Look, Help: "durations of answered requests, by operation",
			Options: []Parameter{
				{Name: "over", Kind: KindDuration, Help: "only those answered during this time from now on"}, timeoutOption,
			},
			Long: "As the replicas have measured them, from the arrival of a request to its answer; without over= since the\n" +
				"start of their processes. A quantile is at most 19 % too high.",
			Examples: []string{"latency", "latency over=5s"},
		},
	}, ledgerVerbs()...)
}

func ledgerVerbs() []Verb {
	return []Verb{
		{
			Name: "slots", Group: Look, Help: "instances of consensus, as the replicas saw them",
			Arguments: []Parameter{{Name: "A..B|last N", Optional: true, Rest: true}}, Options: []Parameter{timeoutOption},
			Long: "For each slot: how far it is, its ballot, what each replica has done (v voted, c chosen, a applied), and\n" +
				"what it holds. Replicas keep the newest few thousand.",
			Examples: []string{"slots", "slots last 50", "slots 100..120"},
			check:    func(c *call) error { _, err := slotsAsked(c); return err },
		},
		{
			Name: "slot", Group: Look, Help: "one instance step by step, over all replicas",
			Arguments: []Parameter{{Name: "N", Kind: KindInteger, Low: 1, High: 1<<62 - 1}}, Options: []Parameter{timeoutOption},
			Long:     "Every step with the time of the replica that took it, and a sentence: is it chosen, and if not, why.",
			Examples: []string{"slot 42"},
		},
		{
			Name: "ballots", Group: Look, Help: "changes of leadership, and the reasons",
			Options: []Parameter{
				{Name: "last", Kind: KindInteger, Low: 1, High: ballotsShownMax, Help: "events at most (20)"}, timeoutOption,
			},
			Examples: []string{"ballots", "ballots last=50"},
		},
		{
			Name: "logs", Group: Look, Help: "log lines of the replicas, in the order of time", Arguments: []Parameter{optionalReplica()},
			Options: []Parameter{
				{Name: "level", Kind: KindChoice, Choices: []string{"debug", "info", "warn", "error"}, Help: "the least (info)"},
				{Name: "since", Kind: KindDuration, Help: "only lines younger than this"},
				{Name: "match", Help: "only lines in which this regular expression is found"},
				{Name: "limit", Kind: KindInteger, Low: 1, High: logLinesMax, Help: "the newest so many lines (100)"},
				timeoutOption,
			},
			Long:     "What the replicas still keep in memory. Their log files hold more.",
			Examples: []string{"logs", "logs r3 level=warn since=5m", `logs match="leader|ballot" limit=500`},
			check: func(c *call) error {
				if v, ok := c.options["match"]; ok && v.known {
					if _, err := regexp.Compile(v.text); err != nil {
						return fmt.Errorf("match: %w", err)
					}
				}
				return nil
			},
		},
		{
			Name: "digest", Group: Look, Help: "is the state the same on all replicas?", Targets: []string{targetAll},
			Options: []Parameter{timeoutOption},
			Long: "Replicas chain a hash over everything that they apply. It is compared at the highest slot for which all\n" +
				"have kept it: same, BEHIND, or DIVERGENCE, which breaks the promise and gives exit code 5.",
			Examples: []string{"digest", "digest @all"},
		},
	}
}

// span of slots; zeros are the newest ones.
type slotSpan struct {
	from, to uint64
	newest   int
}

// slotsAsked reads what follows `slots`: nothing, A..B, N, or last N.
func slotsAsked(c *call) (slotSpan, error) {
	span := slotSpan{newest: slotsShown}
	for _, v := range c.args {
		if !v.known {
			return span, nil
		}
	}
	switch {
	case len(c.args) == 0:
		return span, nil
	case c.args[0].keyword("last"):
		if len(c.args) < 2 {
			return span, shortError(fmt.Sprintf("last needs a number from 1 to %d", slotsShownMax))
		}
		newest, err := strconv.Atoi(c.args[1].text)
		if err != nil || newest < 1 || newest > slotsShownMax || len(c.args) > 2 {
			return span, fmt.Errorf("last needs one number from 1 to %d", slotsShownMax)
		}
		span.newest = newest
		return span, nil
	case len(c.args) > 1:
		return span, errors.New("write a span such as 100..120, or last 50")
	}
	first, last, isSpan := strings.Cut(c.args[0].text, "..")
	if !isSpan {
		last = first
	}
	from, errFrom := strconv.ParseUint(first, 10, 62)
	to, errTo := strconv.ParseUint(last, 10, 62)
	if errFrom != nil || errTo != nil || from < 1 || to < from {
		return span, fmt.Errorf("%s is no span of slots, write 100..120, or last 50", Quote(c.args[0].text))
	}
	return slotSpan{from: from, to: to, newest: slotsShownMax}, nil
}
