package command

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"synod/console/quorum"
)

// Parameters of fault commands.
func forOption() Parameter {
	return Parameter{Name: "for", Kind: KindDuration, Help: "comes back by itself after this"}
}

func victim(name string) Parameter {
	return Parameter{Name: name + "|leader", Kind: KindReplica, Choices: []string{targetLeader}}
}

func oneWayOption() Parameter {
	return Parameter{Name: "oneway", Kind: KindChoice, Choices: []string{"yes", "no"}, Help: "only from the first to the second"}
}

func faultVerbs() []Verb {
	return slices.Concat(roleVerbs(), processVerbs(), linkVerbs(), endVerbs())
}

func roleVerbs() []Verb {
	const targets = "T is r3 (all three roles of a replica), r3.acceptor, or *.acceptor (that role of every replica)"
	const targetsEnd = ".\n\n"
	const orLeader = ";\nleader and leader.acceptor mean the replica that leads now.\n\n"
	roles := func(name, help, long string, options ...Parameter) Verb {
		return Verb{
			Name: name, Group: Faults, Help: help, Long: targets + long, Arguments: []Parameter{{Name: "T", Kind: KindRoles}},
			Options: options, Examples: []string{name + " r3", name + " r3.acceptor", name + " *.learner"},
		}
	}
	crash := roles("crash", "roles lose their memory and stop",
		orLeader+"The role stays down until restart, heal or its time to live; for=2s brings it back by itself. What it had\n"+
			"written and not yet synced survives, as the operating system still has it. Asks for --yes in scripts,\n"+
			"and for the cluster's name if updates would stop.", forOption())
	crash.Examples = append(crash.Examples, "crash leader", "crash r3.acceptor for=2s")
	pause := roles("pause", "roles stop working and keep their memory",
		orLeader+"As if the process hung: nothing is lost, nothing is done.", forOption())
	pause.Examples = append(pause.Examples, "pause leader for=5s")
	restart := roles("restart", "crashed roles come back from their disks",
		targetsEnd+"The role replays its log, as after the death of its process.")
	resume := roles("resume", "paused roles go on",
		targetsEnd+"They work off what has waited, as far as it has not been dropped.")
	restart.check, resume.check = checkBack, checkBack
	return []Verb{crash, restart, pause, resume, wipeVerb()}
}

func wipeVerb() Verb {
	return Verb{
		Name: "wipe", Group: Faults, Help: "a replica loses what it has on disk, and recovers from the others",
		Arguments: []Parameter{{Name: "T", Kind: KindRoles}},
		Options:   []Parameter{{Name: "for", Kind: KindDuration, Help: "stays down so long before it comes back"}},
		Long: "T is r3.acceptor (its log), r3.learner (its applied state), or r3 (both); leader works, too. What is gone is\n" +
			"gone: neither heal nor undo brings it back. The role starts by itself, and the acceptor votes again when it has\n" +
			"recovered from the others; `status` and the screens show how far it is.\n\n" +
			"The others give a permit first, so that never more replicas are without their state than max_lost in\n" +
			"[faults] allows. It is given back when the replica is whole again; until then another wipe is refused with\n" +
			"the reason, and nothing is lost by that. Always asks for the cluster's name: --confirm=NAME in scripts.",
		Examples: []string{"wipe r3.acceptor", "wipe r3", "wipe leader.learner for=2s"},
		check:    checkWipe,
	}
}

// checkWipe refuses what has no state, and more than one replica: there is a permit for each.
func checkWipe(c *call) error {
	if len(c.args) == 0 || !c.args[0].known {
		return nil
	}
	replica, role, _ := strings.Cut(c.args[0].text, ".")
	switch {
	case role == quorum.Proposer:
		return errors.New("a proposer has nothing on disk: crash it")
	case replica == quorum.Everyone:
		return errors.New("a wipe takes one replica, such as r3 or r3.acceptor")
	}
	return nil
}

// checkBack refuses the leader as the target of what brings roles back: who leads is not down.
func checkBack(c *call) error {
	if len(c.args) > 0 && c.args[0].known && strings.HasPrefix(c.args[0].text, targetLeader) {
		return errors.New("who leads is neither down nor paused: name the replica, such as r3; `status` shows which it is")
	}
	return nil
}

func processVerbs() []Verb {
	return []Verb{
		{
			Name: "kill", Group: Faults, Help: "end a replica's process with SIGKILL", Arguments: []Parameter{victim("rN")},
			Long:     "Works where this program has started the replicas (synod up). leader is the one that leads now.",
			Examples: []string{"kill r3", "kill leader"},
		},
		{
			Name: "start", Group: Faults, Help: "start a killed replica's process",
			Arguments: []Parameter{{Name: "rN", Kind: KindReplica}}, Examples: []string{"start r3"},
		},
		{
			Name: "chaos", Group: Faults, Help: "let roles fail at random and come back",
			Arguments: []Parameter{{Name: "on|off", Kind: KindChoice, Choices: []string{"on", "off"}}},
			Options: []Parameter{
				{Name: "role", Kind: KindChoice, Choices: roleNames, Help: "only this kind of role"},
				{Name: "every", Kind: KindDuration, Help: "mean time between failures of a role"},
				{Name: "down", Kind: KindSpan, Help: "how long it stays away"},
			},
			Long:     "Without options the schedule is [faults.random] of the configuration. Several roles may be down at once.",
			Examples: []string{"chaos on", "chaos on role=acceptor every=2s down=200ms..1s", "chaos off"},
			check: func(c *call) error {
				if len(c.args) > 0 && c.args[0].keyword("off") && len(c.options) > 0 {
					return errors.New("off takes no options")
				}
				return nil
			},
		},
	}
}

func linkVerbs() []Verb {
	const silence = "The connection itself stays, so the screen still sees both ends: messages of the roles vanish, and\n" +
		"nobody is told. "
	const ends = "Ends with heal, undo, for= or the configured time to live."
	two := []Parameter{victim("rA"), victim("rB")}
	return []Verb{
		{
			Name: "cut", Group: Faults, Help: "no message passes between two replicas", Arguments: two,
			Options: []Parameter{oneWayOption(), forOption()}, check: checkPair, Long: silence + ends,
			Examples: []string{"cut r1 r3", "cut r1 r3 oneway=yes", "cut leader r2 for=5s"},
		},
		{
			Name: "delay", Group: Faults, Help: "messages between two replicas come late",
			Arguments: append(slices.Clone(two), Parameter{Name: "DURATION", Kind: KindDuration}),
			Options: []Parameter{
				{Name: "jitter", Kind: KindDuration, Help: "up to so much more, drawn anew for each message"}, oneWayOption(), forOption(),
			},
			check: checkDelay, Long: "Each way by that much, or only from the first to the second with oneway=yes. " + ends,
			Examples: []string{"delay r1 r3 50ms", "delay r1 r3 50ms jitter=10ms", "delay r1 leader 20ms oneway=yes"},
		},
		{
			Name: "drop", Group: Faults, Help: "messages between two replicas get lost",
			Arguments: append(slices.Clone(two), Parameter{Name: "N%", Kind: KindPercent}),
			Options:   []Parameter{oneWayOption(), forOption()}, check: checkPair,
			Long:     "Each message with that probability. " + ends,
			Examples: []string{"drop r1 r3 30%", "drop r1 r3 2.5% oneway=yes for=1m"},
		},
		{
			Name: "isolate", Group: Faults, Help: "cut a replica off from all others", Arguments: []Parameter{victim("rN")},
			Options: []Parameter{forOption()}, Long: silence + "Clients still reach it. " + ends,
			Examples: []string{"isolate r3", "isolate leader for=5s"},
		},
		{
			Name: "partition", Group: Faults, Help: "cut all links between groups of replicas",
			Arguments: []Parameter{{Name: "r1,r2 | r3", Kind: KindGroups, Rest: true}}, Options: []Parameter{forOption()},
			Long: "Replicas that are in no group form one more group together, so `partition r1,r2` says it all. leader\n" +
				"stands for the one that leads now. In a shell put quotes around it. " + ends,
			Examples: []string{"partition r1,r2 | r3,r4,r5", "partition r1,r2", "partition leader | r2,r3,r4,r5 for=10s"},
		},
	}
}

func endVerbs() []Verb {
	return []Verb{
		{
			Name: "heal", Group: Faults, Help: "end injected faults",
			Arguments: []Parameter{
				{Name: "all|T|ID", Kind: KindHealed, Choices: []string{"all"}, Optional: true}, {Name: "rB", Kind: KindReplica, Optional: true},
			},
			Long: "Alone or with all: every fault, the random ones too. r3: its roles and all links to it. r3.acceptor: that\n" +
				"role. r1 r3: the link between the two. r3#5: the fault with that id, as `faults` lists it. It does not\n" +
				"start killed processes.",
			Examples: []string{"heal", "heal r3", "heal r3.acceptor", "heal r1 r3", "heal r3#5"},
			check:    checkHeal,
		},
		{
			Name: "undo", Group: Faults, Help: "take back the last fault of this session that still lasts",
			Arguments: []Parameter{{Name: "all", Kind: KindChoice, Choices: []string{"all"}, Optional: true}},
			Long: "Again and again it goes back, fault by fault; with all it takes back everything that this session broke\n" +
				"and nothing else. A killed process is started.",
			Examples: []string{"undo", "undo all"},
		},
		{
			Name: "faults", Group: Faults, Help: "list the injected faults that last", Options: []Parameter{timeoutOption},
			Long: "With the id for heal, the owner, the age and the time left.", Examples: []string{"faults"},
		},
		{
			Name: "scenario", Group: Faults, Help: "run a shipped story of faults and expectations, or list them",
			Arguments: []Parameter{{Name: "NAME", Kind: KindChoice, Choices: ScenarioNames(), Optional: true}},
			Long: "A scenario is a batch file: it breaks things, says what must hold, and heals. What it leaves broken is\n" +
				"undone. It asks for --yes in scripts; `synod up --scenario NAME` gives it replicas of its own.",
			Examples: []string{"scenario", "scenario leader-crash"},
		},
	}
}

func checkPair(c *call) error {
	if len(c.args) > 1 && c.args[0].known && c.args[1].known && c.args[0].text == c.args[1].text {
		return fmt.Errorf("a link has two ends, and both are %s", c.args[0].text)
	}
	return nil
}

// linkDelayMax bounds a delay with its jitter, as replicas do.
const linkDelayMax = "10s"

func checkDelay(c *call) error {
	if err := checkPair(c); err != nil {
		return err
	}
	longest, _ := parseDuration(linkDelayMax)
	delay, _ := parseDuration(c.arg(2))
	jitter, _ := parseDuration(c.option("jitter", ""))
	if len(c.args) > 2 && delay+jitter > longest {
		return fmt.Errorf("delay and jitter together are at most %s", linkDelayMax)
	}
	return nil
}

func checkHeal(c *call) error {
	if len(c.args) < 2 || !c.args[0].known {
		return nil
	}
	if strings.ContainsAny(c.args[0].text, ".#*") || c.args[0].text == "all" {
		return errors.New("two names are the two ends of a link: heal r1 r3")
	}
	return checkPair(c)
}

// healed checks what `heal` takes as its first word.
func (g *Grammar) healed(text string) error {
	if text == "all" {
		return nil
	}
	if replica, id, isID := strings.Cut(text, "#"); isID {
		if _, err := strconv.ParseUint(id, 10, 64); err != nil {
			return fmt.Errorf("%s is no fault, write r3#5 as `faults` lists them", Quote(text))
		}
		return g.replica(replica)
	}
	_, err := g.roles(text)
	return err
}

// parsePercent reads "30%" or "2.5%" and gives tenths of a percent.
func parsePercent(text string) (permille int, err error) {
	number, ok := strings.CutSuffix(text, "%")
	value, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(value >= 0.1 && value <= 100) {
		return 0, fmt.Errorf(`%s is no share, write a number from 0.1%% to 100%%, as in "30%%"`, Quote(text))
	}
	return int(value*10 + 0.5), nil
}

// groups reads what follows `partition`, with the words already resolved: replicas and "leader" between commas, groups
// between "|".
func (g *Grammar) groups(text string) ([][]string, error) {
	var groups [][]string
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, "|") {
		var group []string
		for _, name := range strings.FieldsFunc(part, func(r rune) bool { return r == ',' || r == ' ' }) {
			if name != targetLeader {
				if err := g.replica(name); err != nil {
					return nil, err
				}
			}
			if seen[name] {
				return nil, fmt.Errorf("%s is in two groups", name)
			}
			seen[name] = true
			group = append(group, name)
		}
		if len(group) == 0 {
			return nil, shortError("a group is empty: write r1,r2 | r3,r4,r5")
		}
		groups = append(groups, group)
	}
	if len(g.replicas) > 0 && len(groups) == 1 && len(groups[0]) == len(g.replicas) {
		return nil, shortError("all replicas are in one group: write r1,r2 | r3,r4,r5")
	}
	return groups, nil
}
