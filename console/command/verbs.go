package command

import (
	"errors"
	"fmt"
	"slices"
)

// Options that several verbs share.
var (
	timeoutOption = Parameter{Name: "timeout", Kind: KindDuration, Help: "give up after this (2s)"}
	readOption    = Parameter{
		Name: "read", Kind: KindChoice, Choices: []string{"linearizable", "stale"},
		Help: "stale answers at once, perhaps old",
	}
	formatOption = Parameter{
		Name: "format", Kind: KindChoice, Choices: []string{"text", "hex", "json", "base64"}, Help: "how a value is shown",
	}
	keyArgument = Parameter{Name: "K", Kind: KindKey}
)

// scanLimitMax bounds one scan; more is read page by page with after=.
const scanLimitMax = 100_000

// verbTable is the language. The rows of a group stand together, in the order of the help.
func verbTable() []Verb {
	return slices.Concat(dataVerbs(), lookVerbs(), faultVerbs(), scriptVerbs(), checkVerbs(), loadVerbs())
}

func dataVerbs() []Verb {
	return []Verb{
		{
			Name: "get", Group: Data, Help: "read a key", Targets: []string{"one", targetAll},
			Arguments: []Parameter{keyArgument}, Options: []Parameter{timeoutOption, readOption, formatOption},
			Long: "Every replica gives the newest acknowledged value unless read=stale is asked for. A key that does\n" +
				"not exist is an answer (missing), not an error.",
			Examples: []string{"get color", "get color @r3 timeout=500ms", "get color read=stale @all", "get photo format=hex"},
		},
		{
			Name: "put", Group: Data, Help: "write a key", Targets: []string{"one"},
			Arguments: []Parameter{keyArgument, {Name: "V", Optional: true}},
			Options: []Parameter{
				timeoutOption, {Name: "file", Help: "take the value from this file"},
			},
			Long: "An ok means that the value is on the disks of a majority. After timeout or no_quorum the outcome is\n" +
				"unknown: a later leader may still choose the value; `retry` asks again and never writes twice.\n" +
				"Any bytes: x'00ff' at the prompt and in files, file=PATH anywhere.",
			Examples: []string{
				"put color red", `put "two words" "a\nb" @leader`, "put logo x'89504e47'", "put photo file=photo.jpg",
			},
			check: checkPut,
		},
		{
			Name: "del", Aliases: []string{"delete"}, Group: Data, Help: "delete a key", Targets: []string{"one"},
			Arguments: []Parameter{keyArgument}, Options: []Parameter{timeoutOption},
			Long:     "Deleting a key that does not exist is fine. Outcomes are those of put.",
			Examples: []string{"del color", "delete color @random"},
		},
		{
			Name: "scan", Group: Data, Help: "list keys in order", Targets: []string{"one", targetAll},
			Arguments: []Parameter{{Name: "PREFIX", Kind: KindPrefix, Optional: true}},
			Options: []Parameter{
				{Name: "limit", Kind: KindInteger, Low: 1, High: scanLimitMax, Help: "pairs at most (100)"},
				{Name: "after", Help: "only keys behind this one"},
				{Name: "values", Kind: KindChoice, Choices: []string{"yes", "no"}, Help: "with values"},
				timeoutOption, readOption, formatOption,
			},
			Long:     "One scan shows one moment. For more pairs than limit, ask again with after= and the last key.",
			Examples: []string{"scan", "scan fruit/ limit=10 values=yes", "scan fruit/ after=fruit/kiwi"},
		},
		{
			Name: "retry", Group: Data, Help: "send the last update with unknown outcome again, same id",
			Targets: []string{"one"}, Options: []Parameter{timeoutOption},
			Long: "The id makes replicas apply the update at most once, however often and wherever it is retried. Its\n" +
				"answer is that of its only execution. When the update's session has expired meanwhile its outcome\n" +
				"stays unknown for ever.",
			Examples: []string{"retry", "retry @r2 timeout=5s"},
		},
	}
}

func checkPut(c *call) error {
	_, file := c.options["file"]
	switch {
	case file && len(c.args) > 1:
		return errors.New("give either a value or file=, not both")
	case !file && len(c.args) < 2:
		return shortError(`needs a value: put K V, put K "" for an empty one, or put K file=PATH`)
	}
	return nil
}

func scriptVerbs() []Verb {
	return []Verb{
		{
			Name: "sleep", Group: Script, Help: "do nothing for a while",
			Arguments: []Parameter{{Name: "DURATION", Kind: KindDuration}}, Examples: []string{"sleep 500ms"},
		},
		{
			Name: "repeat", Group: Script, Help: "run a command or a block many times",
			Arguments: []Parameter{
				{Name: "N", Kind: KindInteger, Low: 1, High: repeatMax},
				{Name: "every D", Optional: true},
				{Name: "parallel P", Optional: true},
				{Name: "COMMAND", Optional: true, Rest: true},
			},
			Long: "Before a command it repeats the command; alone on its line it repeats all lines up to `end`. ${i}\n" +
				"counts the rounds from 1. every is from start to start; parallel keeps that many rounds in flight.",
			Examples: []string{
				"repeat 10 put n/${i} ${i}", "repeat 20 every 100ms get color", "repeat 100 parallel 8 get n/${i}",
			},
		},
		{
			Name: "set", Group: Script, Help: "set a variable or one of the settings", AnyOption: true, Options: settingRows(),
			Long:     "Any other name becomes a variable for ${NAME}. confirm=CLUSTERNAME allows what would stop writes.",
			Examples: []string{"set timeout=1s target=random seed=42 onerror=continue", "set name=kiwi"},
			check: func(c *call) error {
				if len(c.options) == 0 {
					return shortError("needs NAME=VALUE, such as timeout=1s")
				}
				if _, ok := c.options["i"]; ok {
					return errors.New("i counts the rounds of a repeat, choose another name")
				}
				return nil
			},
		},
		{
			Name: "echo", Group: Script, Help: "print words", Arguments: []Parameter{{Name: "TEXT", Optional: true, Rest: true}},
			Examples: []string{`echo "now without r3"`, "echo ${env:HOME}"},
		},
		{
			Name: "source", Group: Script, Help: "run the lines of another file", Arguments: []Parameter{{Name: "FILE"}},
			Long: "The name is relative to the file in which the line stands. The file is read before the run begins.",
		},
		{
			Name: "wait", Group: Script, Help: "wait until the cluster is as asked",
			Arguments: []Parameter{{
				Name: "leader|converged|chosen>=N|faults = N", Choices: waitKeywords, Optional: true, Rest: true,
			}},
			Options: []Parameter{
				{Name: "timeout", Kind: KindDuration, Help: "fail after this (10s)"},
				{Name: "alive", Kind: KindInteger, Low: 0, High: 9, Help: "so many replicas answer and all their roles run"},
			},
			Long: "leader: a majority of replicas names the same one; = r2 and != r1 say which. converged: all replicas\n" +
				"answer and have applied the same slots. alive=5: so many replicas answer and all their roles run.\n" +
				"chosen>=100: some replica has that slot. faults = 0: so many injected faults last, >= N: at least.",
			Examples: []string{
				"wait leader", "wait leader != r1", "wait converged timeout=5s", "wait alive=5", "wait chosen>=100",
				"wait faults = 0",
			},
		},
		{
			Name: "help", Group: Script, Help: "list the commands or explain one",
			Arguments: []Parameter{{Name: "VERB", Kind: KindVerb, Optional: true}}, Examples: []string{"help", "help put"},
		},
		{
			Name: "quit", Aliases: []string{"exit"}, Group: Script, Help: "end the run and print its summary",
			Examples: []string{"quit"},
		},
	}
}

func checkVerbs() []Verb {
	return []Verb{
		{
			Name: "expect", Group: Checks, Help: "check the answer of the data command before",
			Arguments: []Parameter{{Name: "CONDITION", Choices: expectKeywords, Rest: true}},
			Long: "ok, missing, value \"x\", value ~ \"re\", error KIND (or any), from rN, within 50ms, revision N.\n" +
				"An error that is expected does not count as a failure. With @all every answer must meet it.",
			Examples: []string{"expect ok", `expect value "red"`, `expect value ~ "^(red|blue)$"`, "expect error no_quorum"},
		},
		{
			Name: "assert", Group: Checks, Help: "check the cluster", Targets: []string{targetAll},
			Arguments: []Parameter{{Name: "CONDITION", Choices: assertKeywords, Rest: true}}, Options: []Parameter{timeoutOption},
			Long: "leader [= rN], leader != rN, alive >= N, converged, faults = N, same K @all (every replica answers the\n" +
				"same), linearizable (one order explains all answers of this run; of a load, too, if one has run).",
			Examples: []string{
				"assert leader", "assert leader = r3", "assert alive >= 3", "assert same color @all", "assert converged",
				"assert faults = 0", "assert linearizable",
			},
		},
	}
}

// conditions adds the checks that need the grammar: what the words of wait, expect and assert mean.
func (g *Grammar) conditions(c *call) error {
	var err error
	switch c.verb.Name {
	case "expect":
		_, err = g.expectation(c)
	case "wait":
		_, err = g.waiting(c)
	case "assert":
		var want condition
		if want, err = g.assertion(c); err == nil && c.target.text != "" && want.kind != "same" {
			err = fmt.Errorf("only `assert same K` takes @all")
		}
	case "partition":
		known := true
		for _, v := range c.args {
			known = known && v.known
		}
		if known && len(c.args) > 0 {
			_, err = g.groups(joined(c))
		}
	}
	return err
}

// settingRows are the settings that `set` knows by name.
func settingRows() []Parameter {
	return []Parameter{
		timeoutOption, readOption, formatOption,
		{Name: "target", Kind: KindTarget, Help: "where requests without @ go: auto, random, leader or a replica"},
		{Name: "seed", Kind: KindInteger, Low: 0, High: 1<<62 - 1, Help: "of the random choices"},
		{Name: "onerror", Kind: KindChoice, Choices: []string{"continue", "stop"}, Help: "after a request that failed"},
		{Name: "confirm", Help: "the cluster's name: allow what would stop writes"},
	}
}

// settingNamed finds a setting.
func settingNamed(name string) (Parameter, bool) {
	rows := settingRows()
	at := slices.IndexFunc(rows, func(p Parameter) bool { return p.Name == name })
	if at < 0 {
		return Parameter{}, false
	}
	return rows[at], true
}
