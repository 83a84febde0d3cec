package config

import (
	"fmt"
	"strings"
)

// setting is one row of the table: all that is known about one key.
type setting struct {
	key      string              // dotted, as in the file: "storage.dir"
	fallback string              // the default as one would write it; "" with required: there is none
	required bool                // must be given
	low      string              // smallest allowed value, as one would write it; "" for no range
	high     string              // largest allowed value
	choices  []string            // the only values allowed, if any
	help     string              // what it means, for people
	field    func(c *Config) any // pointer to the value: its type decides how text is read
}

// environment is the name of the variable that overrides the setting.
func (s setting) environment() string {
	return environmentPrefix + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

const environmentPrefix = "SYNOD_"

// fixedSettings are the rows that every configuration has, in the order in which they are explained.
var fixedSettings = []setting{
	{
		key: "cluster.name", fallback: "synod", help: "typed to confirm severe actions",
		field: func(c *Config) any { return &c.Cluster.Name },
	},
	{
		key: "storage.dir", fallback: "data", help: "folder of the replicas' state",
		field: func(c *Config) any { return &c.Storage.Dir },
	},
	{
		key: "storage.segment", fallback: "64MiB", low: "2MiB", high: "1GiB", help: "size of one file of the log",
		field: func(c *Config) any { return &c.Storage.Segment },
	},
	{
		key: "storage.keep", fallback: "64MiB", low: "1MiB", high: "64GiB", help: "log kept for replicas that lag",
		field: func(c *Config) any { return &c.Storage.Keep },
	},
	{
		key: "log.dir", fallback: "logs", help: "folder of the log files",
		field: func(c *Config) any { return &c.Log.Dir },
	},
	{
		key: "log.level", fallback: "info", choices: []string{"debug", "info", "warn", "error"},
		help: "least level that is written", field: func(c *Config) any { return &c.Log.Level },
	},
	{
		key: "log.requests", fallback: "sampled", choices: []string{"all", "sampled", "off"},
		help: "which requests get a line", field: func(c *Config) any { return &c.Log.Requests },
	},
	{
		key: "consensus.tick", fallback: "10ms", low: "1ms", high: "1s", help: "one step of every role's clock",
		field: func(c *Config) any { return &c.Consensus.Tick },
	},
	{
		key: "consensus.heartbeat", fallback: "50ms", low: "1ms", high: "10s", help: "pause between signs of life",
		field: func(c *Config) any { return &c.Consensus.Heartbeat },
	},
	{
		key: "consensus.election", fallback: "600ms", low: "10ms", high: "60s", help: "silence before a campaign",
		field: func(c *Config) any { return &c.Consensus.Election },
	},
	{
		key: "consensus.window", fallback: "16", low: "1", high: "1024", help: "slots in flight",
		field: func(c *Config) any { return &c.Consensus.Window },
	},
	{
		key: "consensus.batch", fallback: "256KiB", low: "1KiB", high: "1MiB", help: "bytes of commands in a slot",
		field: func(c *Config) any { return &c.Consensus.Batch },
	},
	{
		key: "udp.enabled", fallback: "false", help: "serve clients over datagrams too",
		field: func(c *Config) any { return &c.UDP.Enabled },
	},
	{
		key: "faults.enabled", fallback: "false", help: "operators may inject faults",
		field: func(c *Config) any { return &c.Faults.Enabled },
	},
	{
		key: "faults.ttl", fallback: "10m", low: "1s", high: "24h", help: "every fault heals after this",
		field: func(c *Config) any { return &c.Faults.TTL },
	},
	{
		key: "faults.max_lost", fallback: "1", low: "0", high: "3", help: "replicas without state at once",
		field: func(c *Config) any { return &c.Faults.MaxLost },
	},
	{
		key: "faults.random.on", fallback: "false", help: "random failures from the start",
		field: func(c *Config) any { return &c.Faults.Random.On },
	},
	{
		key: "faults.random.seed", fallback: "42", help: "the same seed gives the same draws",
		field: func(c *Config) any { return &c.Faults.Random.Seed },
	},
}

// roleSettings are the rows of one kind of role in the random schedule.
func roleSettings(role, every string, faults func(c *Config) *RoleFaults) []setting {
	prefix := "faults.random." + role + "."
	return []setting{
		{
			key: prefix + "every", fallback: every, low: "100ms", high: "24h",
			help:  "mean time between failures of an " + role,
			field: func(c *Config) any { return &faults(c).Every },
		},
		{
			key: prefix + "down", fallback: "500ms..3s", low: "10ms", high: "10m", help: "how long it stays away",
			field: func(c *Config) any { return &faults(c).Down },
		},
		{
			key: prefix + "wipe", fallback: "0", low: "0", high: "1", help: "share that loses its state",
			field: func(c *Config) any { return &faults(c).Wipe },
		},
	}
}

// settingsFor gives the rows of a configuration whose replicas, already in c.Replicas, are at the given positions.
func settingsFor(replicas []Replica) []setting {
	rows := append([]setting(nil), fixedSettings[:1]...)
	for i, replica := range replicas {
		prefix := fmt.Sprintf("replicas.%s.", replica.ID)
		rows = append(rows,
			setting{
				key: prefix + "client", required: true, help: "clients and operators",
				field: func(c *Config) any { return (*address)(&c.Replicas[i].Client) },
			},
			setting{
				key: prefix + "peer", required: true, help: "the other replicas",
				field: func(c *Config) any { return (*address)(&c.Replicas[i].Peer) },
			},
			setting{
				key: prefix + "http", help: "metrics and health; empty: not served",
				field: func(c *Config) any { return (*address)(&c.Replicas[i].HTTP) },
			})
	}
	rows = append(rows, fixedSettings[1:]...)
	random := func(c *Config) *Random { return &c.Faults.Random }
	rows = append(rows, roleSettings("acceptor", "30s", func(c *Config) *RoleFaults { return &random(c).Acceptor })...)
	rows = append(rows, roleSettings("proposer", "60s", func(c *Config) *RoleFaults { return &random(c).Proposer })...)
	return append(rows, roleSettings("learner", "60s", func(c *Config) *RoleFaults { return &random(c).Learner })...)
}
