// Package sim runs a whole cluster in one goroutine, in simulated time, from one
// seed: the daemon's own agents with the real log, over a network and disks that
// do everything that real ones do. The same seed gives the same run, always.
//
//	report := sim.Run(sim.Draw(seed), nil)
//	if err := report.Err(); err != nil { … } // says what broke, and how to see it again
//
// Draw makes the options of a run from a seed: sizes, limits, clients, and which
// kinds of faults happen how often. Run lets the cluster live and shows everything
// that can be seen (the tap) to the watchers of core/sim/check.
//
// The parts, from the bottom: schedule.go is time and chance; network.go and
// partition.go the links; disk/ the disks; host.go one agent with its mailbox;
// replica.go a process; gateway.go and client.go whoever asks; faults.go what goes
// wrong; cluster.go the world; run.go its phases; trace.go what a person can read;
// probe.go the rare states that a sweep must have seen.
//
// Rules that keep it deterministic: one goroutine, no clock, no order of a map ever
// reaches anything; network, disks, faults, clients and hosts each draw from a
// stream of their own.
package sim
