package state

import (
	"time"

	"synod/protocol"
)

// Observation is what one replica said last, and how it is reached.
type Observation struct {
	ID        string
	Address   string
	Connected bool
	Known     bool            // Status holds something
	Status    protocol.Status // the last one, however old
	At        time.Time       // when it came
	Err       string          // why there is no connection; empty with one
	RetryAt   time.Time       // of the next attempt to connect
	Attempts  int             // failed ones since the last connection
	Process   string          // "running", "killed" …, if this program started the process; else empty
	FaultsOff bool            // the replica has said that its configuration allows no injected faults
}

// staleAfter is the age from which a status is old: replicas tell theirs at least twice a second.
const staleAfter = 1500 * time.Millisecond

// Fresh tells whether the status is of now.
func (o *Observation) Fresh(now time.Time) bool {
	return o.Known && o.Connected && now.Sub(o.At) < staleAfter
}

// Role gives the status of a role; false if the replica has not told it.
func (o *Observation) Role(name string) (protocol.RoleStatus, bool) {
	for _, role := range o.Status.Roles {
		if role.Role == name {
			return role, true
		}
	}
	return protocol.RoleStatus{}, false
}
