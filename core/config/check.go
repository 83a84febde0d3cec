package config

import (
	"fmt"
	"slices"
	"strings"
)

// Setting is one effective value for people: `synodd config` prints these.
type Setting struct {
	Key    string // dotted, as in the file
	Value  string // as one would write it in the file, without quotes
	Origin string // "default", "config.toml:12", "environment SYNOD_…" or "flag …"
	Help   string // what it means
}

// String gives one line: key = value   (origin).
func (s Setting) String() string {
	return fmt.Sprintf("%-34s = %-22s # %s", s.Key, fmt.Sprintf("%q", s.Value), s.Origin)
}

// Explain lists every effective value with its origin, in the order of the file that we ship. Settings that are absent
// and have no default are left out.
func (c *Config) Explain() []Setting {
	var list []Setting
	for _, row := range settingsFor(c.Replicas) {
		if origin, ok := c.origins[row.key]; ok {
			list = append(list, Setting{Key: row.key, Value: show(row.field(c)), Origin: origin, Help: row.help})
		}
	}
	return list
}

// unknownKeys notes each key and each section of the file that no setting has.
func (p *parser) unknownKeys() {
	keys, sections := map[string]bool{}, map[string]bool{"replicas": true}
	for _, row := range p.rows {
		keys[row.key] = true
		for dot := range row.key {
			if row.key[dot] == '.' {
				sections[row.key[:dot]] = true
			}
		}
	}
	var reported []string
	under := func(key string) bool { // whether the key is in a section that is reported already
		return slices.ContainsFunc(reported, func(section string) bool { return strings.HasPrefix(key, section+".") })
	}
	for _, section := range p.sections { // sorted: an outer section comes before its inner ones
		if sections[section] || p.underReplicas(section) || under(section) {
			continue
		}
		reported = append(reported, section)
		hint := didYouMean(section, sortedNames(sections), func(name string) string { return "[" + name + "]" })
		if keys[section] {
			hint = ", it takes one value: write " + last(section) + " = … in [" + parent(section) + "]"
		}
		p.atKey(section, "unknown section [%s]%s", section, hint)
	}
	for key := range p.leaves {
		switch section := parent(key); {
		case keys[key] || under(key) || p.underReplicas(key):
		case sections[key]:
			p.atKey(key, "%s is a section, write [%s]", key, key)
		default:
			p.atKey(key, "%s", p.unknownKey(key, section, keys))
		}
	}
}

// underReplicas tells whether takeReplicas has already complained about the replica to which the key belongs.
func (p *parser) underReplicas(key string) bool {
	rest, ok := strings.CutPrefix(key, "replicas.")
	if !ok {
		return false
	}
	id, _, _ := strings.Cut(rest, ".")
	_, known := p.config.Replica(id)
	return !known
}

func (p *parser) unknownKey(key, section string, keys map[string]bool) string {
	var siblings []string
	elsewhere := ""
	for _, name := range sortedNames(keys) {
		if parent(name) == section {
			siblings = append(siblings, last(name))
		} else if last(name) == last(key) && elsewhere == "" {
			elsewhere = fmt.Sprintf(", it belongs in [%s]", parent(name))
		}
	}
	hint := didYouMean(last(key), siblings, func(name string) string { return fmt.Sprintf("%q", name) })
	if hint == "" {
		hint = elsewhere
	}
	if section == "" {
		return fmt.Sprintf("unknown key %q outside of any section%s", key, hint)
	}
	if hint == "" && len(siblings) > 0 {
		hint = ", it has " + strings.Join(siblings, ", ")
	}
	return fmt.Sprintf("unknown key %q in [%s]%s", last(key), section, hint)
}

// unknownOverrides notes each variable and flag that looks like a setting and is none. Other SYNOD_ variables belong to
// other programs, such as the console.
func (p *parser) unknownOverrides() {
	var variables, keys, sections []string
	for _, row := range p.rows {
		variables, keys = append(variables, row.environment()), append(keys, row.key)
		top, _, _ := strings.Cut(row.key, ".")
		sections = append(sections, environmentPrefix+strings.ToUpper(top)+"_")
	}
	for _, entry := range p.source.Environ {
		name, _, _ := strings.Cut(entry, "=")
		ours := slices.ContainsFunc(sections, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		if ours && !slices.Contains(variables, name) {
			hint := didYouMean(name, variables, func(name string) string { return name })
			p.problems = append(p.problems, Problem{Source: "environment " + name, Text: "sets no known setting" + hint})
		}
	}
	for key := range p.source.Flags {
		if !slices.Contains(keys, key) {
			hint := didYouMean(key, keys, func(name string) string { return name })
			p.problems = append(p.problems, Problem{Source: "flag " + key, Text: "sets no known setting" + hint})
		}
	}
}

// cross checks what no single setting can tell.
func (p *parser) cross() {
	c := p.config
	users := map[string]string{} // address to the setting that has it
	for _, replica := range c.Replicas {
		for _, use := range [...]struct{ name, address string }{
			{"client", replica.Client}, {"peer", replica.Peer}, {"http", replica.HTTP},
		} {
			key := "replicas." + replica.ID + "." + use.name
			if first, taken := users[use.address]; taken && use.address != "" {
				p.conflict(key, "address %q is taken by %s, give each its own port", use.address, first)
				continue
			}
			users[use.address] = key
		}
	}
	p.crossTiming()
	p.crossFaults()
}

// crossTiming checks that the time-outs fit each other.
func (p *parser) crossTiming() {
	c := p.config
	// Ranges are noted already; comparing values that are out of range would only repeat it.
	if timing := c.Consensus; timing.Tick > 0 && timing.Heartbeat > 0 && timing.Election > 0 {
		if timing.Heartbeat < timing.Tick {
			p.conflict("consensus.heartbeat", "heartbeat %s is shorter than the tick of %s, raise it",
				durationText(timing.Heartbeat), durationText(timing.Tick))
		}
		if timing.Election < 3*timing.Heartbeat {
			p.conflict("consensus.election", "election %s is less than 3 heartbeats of %s: one late message would cost a "+
				"leader, raise it", durationText(timing.Election), durationText(timing.Heartbeat))
		}
	}
}

// crossFaults checks that the allowed faults leave a cluster.
func (p *parser) crossFaults() {
	c := p.config
	if n := len(c.Replicas); n > 0 && c.Faults.MaxLost > n-c.Majority() {
		if c.origins["faults.max_lost"] == "default" {
			c.Faults.MaxLost = n - c.Majority() // a single replica has none to lose
		} else {
			p.conflict("faults.max_lost", "%d lost replicas of %d would leave no majority with its state, at most %d",
				c.Faults.MaxLost, n, n-c.Majority())
		}
	}
	if wipe := c.Faults.Random.Proposer.Wipe; wipe > 0 && wipe <= 1 {
		p.conflict("faults.random.proposer.wipe", "a proposer has no state to lose, leave it out or write 0")
	}
	if c.Faults.Random.On && !c.Faults.Enabled {
		p.conflict("faults.random.on", "random failures are on but [faults] enabled is false, set it to true or on to false")
	}
}

// conflict notes a problem of an effective value at the place it came from.
func (p *parser) conflict(key, format string, args ...any) {
	origin := p.config.origins[key]
	if origin == "default" || origin == "" || strings.HasPrefix(origin, p.source.Name+":") {
		p.atValue(key, format, args...)
		return
	}
	p.problems = append(p.problems, Problem{Source: origin, Text: fmt.Sprintf(format, args...)})
}

func didYouMean(word string, candidates []string, show func(string) string) string {
	if near := Nearest(word, candidates); near != "" {
		return ", did you mean " + show(near) + "?"
	}
	return ""
}

func parent(key string) string {
	if dot := strings.LastIndexByte(key, '.'); dot >= 0 {
		return key[:dot]
	}
	return ""
}

func last(key string) string {
	name := key[strings.LastIndexByte(key, '.')+1:]
	return strings.Trim(name, `"`)
}

func sortedNames(set map[string]bool) []string {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
