// Package fault breaks roles of the own replica and its links to others on purpose,
// and heals them: by an operator's word, or by a random schedule.
//
// Every fault has an id, an owner, a time to live and a log line at its begin and
// end. It heals by itself when its time is over, so that a forgotten fault cannot
// outlive a demonstration. Nothing is possible unless the configuration allows
// faults. A crash keeps what is on disk, so no number of crashes can cost an
// acknowledged update; only a majority that is up is needed to go on.
//
// A [Controller] breaks roles itself, through its [Host]. Links are broken by who
// sends and receives: it asks the controller's [Table] about every batch, and the
// [Damage] of a broken link about every message.
//
// A [Wiper] makes a role lose its state, too. That is only done with a permit of
// the other replicas ([Permits]), so that no schedule destroys a majority's memory;
// without one a random wipe is a crash. The replica then recovers by itself.
package fault
