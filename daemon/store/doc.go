// Package store keeps the replicated map on disk: kv's Store on Pebble.
//
// Open gives a Store for kv.New. The chosen values are safe in the acceptors'
// logs, so this store has no log of its own: an Apply is in memory, and becomes
// durable when Pebble writes its memtable to a table, by itself when that is full
// or at a Flush. A crash takes back the last Applies, always whole ones, and what
// is missing is applied again from the log. Durable tells up to which slot that
// cannot happen any more.
//
// Three ways to stop: Close after a clean end, Abandon for the crash of a role,
// and the death of the process. The last two lose the same.
//
// A replica that is too far behind gets another's state: Copy makes a copy that
// shares its tables by hard links, a Receiver collects its bytes beside the store
// that is open, and Adopt makes it the one that the next Open opens. A loss of
// power at any moment leaves the old state or the new one.
//
// Rows written last are kept ready in memory, so that most reads do not enter
// Pebble.
package store
