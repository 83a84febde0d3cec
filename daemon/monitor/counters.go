package monitor

import "sync/atomic"

// Counters count what a status shows. All may be used by any goroutine.
type Counters struct {
	Requests    atomic.Uint64 // complete requests of clients
	Malformed   atomic.Uint64 // inputs that were no frames, prefaces or requests
	Refused     atomic.Uint64 // connections refused at a limit or at the preface
	Overloaded  atomic.Uint64 // requests refused at a limit
	Retries     atomic.Uint64 // commands handed to the proposer again
	PeerDropped atomic.Uint64 // messages to peers that did not fit into a queue
	// ForwardsDropped are those of PeerDropped, counted after it, that carried commands of clients.
	ForwardsDropped atomic.Uint64
	PeerFrames      atomic.Uint64 // frames from peers
	PeerForeign     atomic.Uint64 // frames from peers that were not theirs to send
	LinkBreaks      atomic.Uint64 // connections to peers that broke
	FaultLost       atomic.Uint64 // messages from and to peers that injected faults of links have dropped
	// FaultOverflow are messages that did not fit into a queue of those held back by such faults.
	FaultOverflow atomic.Uint64
}
