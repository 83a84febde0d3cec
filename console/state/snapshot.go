package state

import "time"

// Snapshot is everything that the screen learns at one moment. What it holds is shared with whoever made it and is not
// changed afterwards.
type Snapshot struct {
	At       time.Time
	Replicas []Observation
	Session  Session
	Logs     Logs
	Ledger   Ledger
	Keys     Keys
	Load     Load
}

// Want is what the visible screen needs beyond the statuses, which always come. The zero value wants nothing.
type Want struct {
	Ledger LedgerWant
	Keys   KeysWant
}
