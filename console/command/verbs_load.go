package command

import (
	"errors"
	"fmt"

	"synod/console/workload"
)

// loadActions are the first words of `load`.
var loadActions = []string{"start", "run", "apply", "stop", "status", "save"}

// loadOptions are what can be changed of a profile.
func loadOptions() []Parameter {
	percent := func(name, help string) Parameter {
		return Parameter{Name: name, Kind: KindInteger, Low: 0, High: 100, Help: help}
	}
	return []Parameter{
		{Name: "clients", Kind: KindInteger, Low: 1, High: workload.ClientsMax, Help: "each with one request in flight"},
		{Name: "time", Kind: KindDuration, Help: "how long; 0s: until load stop"},
		{Name: "rate", Kind: KindInteger, Low: 0, High: workload.RateMax, Help: "operations a second of all; 0: as they come"},
		percent("put", "of 100 operations"), percent("get", "of 100"), percent("del", "of 100"),
		{Name: "keys", Kind: KindInteger, Low: 1, High: workload.KeysMax, Help: "number of keys"},
		{Name: "size", Kind: KindInteger, Low: 0, High: workload.ValueBytesMax, Help: "bytes of a value"},
		{Name: "dist", Kind: KindChoice, Choices: []string{"uniform", "zipf"}, Help: "how often which key is used"},
		{Name: "target", Kind: KindTarget, Help: "where requests go: auto, random, leader or a replica"},
		{Name: "seed", Kind: KindInteger, Low: 0, High: 1<<62 - 1, Help: "of the random choices"},
		{Name: "verify", Kind: KindChoice, Choices: []string{"on", "off"}, Help: "judge every answer (on)"},
		{Name: "keep", Kind: KindChoice, Choices: []string{"yes", "no"}, Help: "leave the keys at the end"},
		timeoutOption,
	}
}

func profileNames() (names []string) {
	for _, p := range workload.Profiles() {
		names = append(names, p.Name)
	}
	return names
}

func loadVerbs() []Verb {
	profile := Parameter{Name: "PROFILE", Kind: KindChoice, Choices: profileNames(), Optional: true}
	return []Verb{
		{
			Name: "load", Group: Load, Help: "run clients whose every answer is judged",
			Arguments: []Parameter{{Name: "ACTION", Kind: KindChoice, Choices: loadActions}, profile}, Options: loadOptions(),
			Long: "start goes on in the background, run waits for the end, apply changes the running load, stop ends it and\n" +
				"reports, status tells how it goes, save writes the history and the picture of a violation.\n" +
				"Keys lie below load/ and are deleted at the end. A batch that ends stops its load.",
			Examples: []string{
				"load start mixed clients=64 time=1m", "load run contended time=10s", "load apply clients=128 rate=5000",
				"load stop", "load save",
			},
			check: checkLoad,
		},
		{
			Name: "check", Group: Load, Help: "does the cluster keep up with these thresholds",
			Arguments: []Parameter{{Name: "CONDITION", Optional: true, Rest: true}}, Options: loadOptions(),
			Long: "throughput>=N (operations a second), p50<=D, p99<=D, p999<=D, max<=D, errors<=P%. Judges the load that\n" +
				"runs or has run; without one it runs the named profile, or mixed, for time= (10s). PASS or FAIL with the\n" +
				"cause as far as the replicas tell it, and always the histogram.",
			Examples: []string{"check throughput>=1000 p99<=50ms errors<=1%", "check read-heavy p99<=20ms time=20s"},
			check:    func(c *call) error { _, _, err := thresholds(c); return err },
		},
		{
			Name: "verify", Group: Load, Help: "judge a saved history",
			Arguments: []Parameter{{Name: "FILE"}},
			Long: "Is there one order of all operations that explains every answer? The file is what a load has kept, one\n" +
				"operation for each line. A violation is shown as its shortest part and ends with exit code 5.",
			Examples: []string{"verify logs/load-20261122-131502.123.jsonl"},
		},
	}
}

func checkLoad(c *call) error {
	if len(c.args) == 0 || !c.args[0].known {
		return nil
	}
	action := c.args[0].text
	plain := action == "stop" || action == "status" || action == "save"
	switch {
	case plain && (len(c.args) > 1 || len(c.options) > 0):
		return fmt.Errorf("load %s takes nothing more", action)
	case action == "apply" && len(c.args) > 1:
		return errors.New("load apply changes the running load: give only options, such as clients=128")
	case action == "apply" && len(c.options) == 0:
		return errors.New("load apply needs something to change, such as clients=128 or rate=1000")
	}
	for _, v := range c.options {
		if !v.known {
			return nil
		}
	}
	if action != "start" && action != "run" || len(c.args) > 1 && !c.args[1].known {
		return nil
	}
	profile, err := profileOf(c, c.arg(1))
	if err != nil {
		return err
	}
	return profile.Check()
}
