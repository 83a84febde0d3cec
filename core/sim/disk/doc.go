// Package disk is a simulated disk for one acceptor's log: a [vfs.FS] in memory
// that knows what is in the page cache, what is on the medium, and when each write
// and each sync took place in simulated time. So it can answer the question of
// every crash: what is left, if it happens now, in the middle of this very sync?
//
// Make one with New and give it to the log as its file system. Everything the log
// does in one step of the simulation happens on the disk's own line of time, which
// runs ahead of the simulation by the latency of the syncs; IdleAt says how far.
// After the agent is gone, call Crash with the time of its death: what the disk
// would have done later has not happened.
//
//   - Killed keeps what was written (the page cache survives a process); what was
//     not synced stays losable until the next sync.
//   - PowerLoss keeps what was durable, and of the rest what the disk's own seeded
//     generator picks: nothing, a beginning, any writes, torn ones among them.
//
// DieAt makes the agent die inside its k-th file operation from now, FailAt makes
// that operation fail, Fill makes the disk full, Rot changes a byte on the medium.
// There are no goroutines; the generator draws in the order of calls.
package disk
