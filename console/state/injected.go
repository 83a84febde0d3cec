package state

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"synod/protocol"
)

// Injected is a fault that somebody has set on purpose, in the words of the command that sets it. One order may have
// become several faults at several replicas.
type Injected struct {
	What         string // "pause r3.acceptor", "cut r1 r3 oneway=yes"
	Heal         string // the command that ends it
	Owner        string
	Since, Until time.Time // Until is zero if it does not end by itself
	Count        int       // faults of replicas of which it consists
	Old          bool      // told by a replica that does not answer now
}

// togetherWithin is the time within which the faults of one order are set.
const togetherWithin = time.Second

// part is one fault of one replica.
type part struct {
	replica string
	protocol.FaultStatus
	old bool
}

// Injected lists the faults in force, the oldest first.
func (c *Console) Injected() []Injected {
	var parts []part
	for i := range c.Replicas {
		o := &c.Replicas[i]
		if c.gone(o) && o.Process != "" {
			continue // they ended with its process
		}
		for _, f := range o.Status.Faults {
			parts = append(parts, part{o.ID, f, !o.Fresh(c.Now)})
		}
	}
	slices.SortStableFunc(parts, func(a, b part) int { return a.Since.Compare(b.Since) })
	var list []Injected
	for len(parts) > 0 {
		var same []part
		same, parts = takeTogether(parts)
		list = append(list, c.worded(same)...)
	}
	slices.SortStableFunc(list, func(a, b Injected) int { return a.Since.Compare(b.Since) })
	return list
}

// takeTogether splits off the faults that belong to the order of the first: of the same kind, owner and moment.
func takeTogether(parts []part) (same, rest []part) {
	first := parts[0]
	for _, p := range parts {
		if p.Kind == first.Kind && Person(p.Owner) == Person(first.Owner) && p.Since.Sub(first.Since) < togetherWithin &&
			(p.Peer == "") == (first.Peer == "") && p.sizes() == first.sizes() {
			same = append(same, p)
		} else {
			rest = append(rest, p)
		}
	}
	return same, rest
}

// sizes tells apart delays and losses of different strength.
func (p *part) sizes() [3]int64 {
	return [3]int64{p.DelayMicros, p.JitterMicros, int64(p.LossPermille)}
}

func (c *Console) worded(same []part) []Injected {
	if same[0].Peer == "" {
		return wordedRoles(same)
	}
	return c.wordedLinks(same)
}

// wordedRoles words faults of roles: all three of a replica are the replica.
func wordedRoles(same []part) []Injected {
	var list []Injected
	for len(same) > 0 {
		var own, rest []part
		for _, p := range same {
			if p.replica == same[0].replica {
				own = append(own, p)
			} else {
				rest = append(rest, p)
			}
		}
		same = rest
		if len(own) >= len(roleOrder) {
			list = append(list, inject(own[0], len(own), own[0].Kind+" "+own[0].replica, own[0].replica))
			continue
		}
		for _, p := range own {
			target := p.replica + "." + p.Role
			what := p.Kind + " " + target
			if p.Role == "" || p.Kind == "" {
				what, target = p.replica+": "+p.Fault, p.replica // of an older replica
			}
			list = append(list, inject(p, 1, what, target))
		}
	}
	return list
}

var roleOrder = [...]string{"proposer", "acceptor", "learner"}

func inject(p part, count int, what, target string) Injected {
	return Injected{
		What: what, Heal: "heal " + target, Owner: p.Owner, Since: p.Since, Until: p.Until, Count: count, Old: p.old,
	}
}

// direction is one direction of a link, by the places of its ends.
type direction struct{ from, to int }

// wordedLinks words faults of links: both directions are one, and cuts between groups are a partition.
func (c *Console) wordedLinks(same []part) []Injected {
	found := map[direction]part{}
	count := map[direction]int{}
	var order []direction
	for _, p := range same {
		here, there := c.index(p.replica), c.index(p.Peer)
		var ways []direction
		if p.Direction != protocol.DirectionIn {
			ways = append(ways, direction{here, there})
		}
		if p.Direction != protocol.DirectionOut {
			ways = append(ways, direction{there, here})
		}
		for _, way := range ways {
			if _, seen := found[way]; !seen {
				found[way] = p
				order = append(order, way)
			}
			count[way]++
		}
	}
	if text := c.partition(found); text != "" && same[0].Kind == FaultCut && len(order) > 2 {
		heal := "heal"
		if replica, alone := strings.CutPrefix(text, "isolate "); alone {
			heal += " " + replica
		}
		return []Injected{{
			What: text, Heal: heal, Owner: same[0].Owner, Since: same[0].Since, Until: same[0].Until, Count: len(same),
		}}
	}
	var list []Injected
	for _, way := range order {
		p, open := found[way]
		if !open {
			continue
		}
		delete(found, way)
		what := linkVerb(&p) + " " + c.idAt(way.from) + " " + c.idAt(way.to) + linkSize(&p)
		_, both := found[direction{way.to, way.from}]
		if both {
			delete(found, direction{way.to, way.from})
		} else {
			what += " oneway=yes"
		}
		target := c.idAt(way.from) + " " + c.idAt(way.to)
		if count[way] == 1 && !both || len(same) == 1 { // the link may have other faults, too
			target = fmt.Sprintf("%s#%d", p.replica, p.ID)
		}
		list = append(list, inject(p, count[way], what, target))
	}
	return list
}

func (c *Console) idAt(index int) string {
	if index < 0 || index >= len(c.Replicas) {
		return "?"
	}
	return c.Replicas[index].ID
}

func linkVerb(p *part) string {
	if p.Kind == FaultLoss {
		return "drop"
	}
	return p.Kind
}

func linkSize(p *part) string {
	text := ""
	if p.DelayMicros > 0 {
		text += " " + millis(p.DelayMicros)
	}
	if p.JitterMicros > 0 {
		text += " jitter=" + millis(p.JitterMicros)
	}
	if p.LossPermille > 0 {
		text += " " + Percent(p.LossPermille)
	}
	return text
}

func millis(micros int64) string {
	return (time.Duration(micros) * time.Microsecond).String()
}

// partition words cuts that separate the replicas into groups, each of which is whole; "" for any other cuts.
func (c *Console) partition(cuts map[direction]part) string {
	group := make([]int, len(c.Replicas))
	for i := range group {
		group[i] = -1
	}
	var names [][]string
	for i := range c.Replicas {
		if group[i] < 0 {
			group[i] = len(names)
			names = append(names, nil)
		}
		names[group[i]] = append(names[group[i]], c.Replicas[i].ID)
		for j := i + 1; j < len(c.Replicas); j++ {
			if _, cut := cuts[direction{i, j}]; !cut && group[j] < 0 {
				group[j] = group[i]
			}
		}
	}
	for i := range c.Replicas {
		for j := range c.Replicas {
			_, cut := cuts[direction{i, j}]
			if i != j && cut != (group[i] != group[j]) {
				return ""
			}
		}
	}
	if len(names) < 2 {
		return ""
	}
	for i := range names {
		if len(names) == 2 && len(names[i]) == 1 && len(names[1-i]) > 1 {
			return "isolate " + names[i][0]
		}
	}
	texts := make([]string, len(names))
	for i := range names {
		texts[i] = strings.Join(names[i], ",")
	}
	return fmt.Sprintf("partition %s", strings.Join(texts, " | "))
}
