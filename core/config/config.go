package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Config holds every effective value of one configuration. Get one from [Load] or [Parse]; the zero value is not valid.
type Config struct {
	Cluster   Cluster
	Replicas  []Replica // sorted by Number; 1, 3, 5 or 7 of them
	Storage   Storage
	Log       Log
	Consensus Consensus
	UDP       UDP
	Faults    Faults

	origins map[string]string // dotted key of a setting to where its value came from
}

// Cluster names the whole.
type Cluster struct {
	Name string // typed by an operator to confirm a severe action
}

// Replica says where one replica is reached. All addresses are host:port and differ from each other.
type Replica struct {
	ID     string // "r1" … "r7"
	Number int    // the number in ID, 1 to 7
	Client string // clients and operators
	Peer   string // the other replicas
	HTTP   string // metrics and health; empty: not served
}

// Storage says where a replica keeps its state.
type Storage struct {
	Dir     string // replica r1 lives in Dir/r1; relative to the working directory
	Segment Size   // size of one segment file of the acceptor's log
	// Keep is how many bytes of values the acceptor's log keeps beyond what its own
	// replica needs, for others that lag; those that need more take a snapshot.
	Keep Size
}

// Log says what is logged and where.
type Log struct {
	Dir      string // r1 writes Dir/r1.log, a client Dir/client.log; relative to the working directory
	Level    string // "debug", "info", "warn" or "error"
	Requests string // "all", "sampled" (at most 200 lines a second, the rest counted in one line) or "off"
}

// Consensus holds the timing and the sizes of the protocol. The roles count ticks, not time: see HeartbeatTicks and
// ElectionTicks.
type Consensus struct {
	Tick      time.Duration // one step of every role's clock
	Heartbeat time.Duration // pause between two signs of life of a leader
	Election  time.Duration // silence after which a replica campaigns, drawn from 1 to 1.5 times this
	Window    int           // slots in flight at once
	Batch     Size          // bytes of commands in one slot; one command always fits, however large
}

// UDP configures the datagram protocol for clients.
type UDP struct {
	Enabled bool
}

// Faults says which faults may be injected.
type Faults struct {
	Enabled bool          // operators may inject faults at all
	TTL     time.Duration // every injected fault heals by itself after this
	MaxLost int           // replicas that may be without their state at once because of an injection
	Random  Random
}

// Random is the schedule of random failures, per role.
type Random struct {
	On       bool   // running from the start; an operator switches it with `chaos on|off`
	Seed     uint64 // the same seed gives the same draws
	Acceptor RoleFaults
	Proposer RoleFaults
	Learner  RoleFaults
}

// RoleFaults says how often one kind of role fails and for how long.
type RoleFaults struct {
	Every time.Duration // mean time between two failures of a role
	Down  Span          // how long it stays away, drawn evenly
	Wipe  float64       // share of the failures that also lose the state, 0 to 1; a proposer has none
}

// Load reads the file at path and parses it with the given environment (as from os.Environ) and flags (dotted key to
// text). A file that cannot be read is an error that wraps the cause; faulty content is reported as [Problems].
func Load(path string, environ []string, flags map[string]string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration (give its path with --config): %w", err)
	}
	return Parse(Source{Name: path, Text: text, Environ: environ, Flags: flags})
}

// Replica gives the replica with the id ("r3"); false if the configuration has none.
func (c *Config) Replica(id string) (Replica, bool) {
	at := slices.IndexFunc(c.Replicas, func(r Replica) bool { return r.ID == id })
	if at < 0 {
		return Replica{}, false
	}
	return c.Replicas[at], true
}

// ReplicaIDs lists the ids of all replicas in order.
func (c *Config) ReplicaIDs() []string {
	ids := make([]string, len(c.Replicas))
	for i, replica := range c.Replicas {
		ids[i] = replica.ID
	}
	return ids
}

// Majority is the smallest number of replicas of which any two such groups share one.
func (c *Config) Majority() int { return len(c.Replicas)/2 + 1 }

// ReplicaDir is the folder in which the replica keeps its state.
func (c *Config) ReplicaDir(id string) string { return filepath.Join(c.Storage.Dir, id) }

// LogFile is the log file of a replica ("r1") or of a client ("client").
func (c *Config) LogFile(name string) string { return filepath.Join(c.Log.Dir, name+".log") }

// HeartbeatTicks is the pause between two signs of life of a leader, in ticks, at least 1.
func (c Consensus) HeartbeatTicks() int { return c.ticks(c.Heartbeat) }

// ElectionTicks is the least silence after which a replica campaigns, in ticks; the longest is one and a half times it.
func (c Consensus) ElectionTicks() int { return c.ticks(c.Election) }

// ticks rounds up: a time-out that is a little late costs time, one that is early costs an election.
func (c Consensus) ticks(d time.Duration) int { return int((d + c.Tick - 1) / c.Tick) }
