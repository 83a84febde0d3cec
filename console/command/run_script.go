package command

import (
	"context"
	"strconv"
	"strings"
)

func (e *Executor) sleepFor(ctx context.Context, _ *frame, c *call) bool {
	pause, err := parseDuration(c.arg(0))
	if err != nil {
		panic("command: unchecked duration: " + err.Error())
	}
	return e.sleep(ctx, pause)
}

func (e *Executor) set(_ context.Context, f *frame, c *call) bool {
	for name, v := range c.options { // each name once, so their order does not matter
		switch name {
		case "timeout":
			f.timeout = f.limit(c)
		case "target":
			f.target = v.text
		case "seed":
			seed, err := strconv.ParseUint(v.text, 10, 64)
			if err != nil {
				panic("command: unchecked seed: " + err.Error())
			}
			f.random = seeded(seed)
			e.mutex.Lock()
			e.summary.Seed = seed
			e.mutex.Unlock()
		case "onerror":
			f.stop = v.text == "stop"
		case "read":
			f.read = v.text
		case "format":
			f.format = v.text
		case "confirm":
			f.confirm = v.text
		default:
			f.variables[name] = v.text
		}
	}
	return true
}

func (e *Executor) echo(_ context.Context, _ *frame, c *call) bool {
	words := make([]string, len(c.args))
	for i, v := range c.args {
		words[i] = Visible(v.text)
	}
	e.report(c, nil, [][]string{{strings.Join(words, " ")}})
	return true
}

func (e *Executor) help(_ context.Context, _ *frame, c *call) bool {
	text := e.grammar.Help()
	if name := c.arg(0); name != "" {
		text = e.grammar.HelpVerb(name)
	}
	var rows [][]string
	for line := range strings.Lines(text) {
		rows = append(rows, []string{strings.TrimRight(line, "\n")})
	}
	e.report(c, nil, rows)
	return true
}

func (e *Executor) quit(context.Context, *frame, *call) bool { return false }
