package state

import "synod/console/workload"

// Load is the built-in workload and the verdict on its history.
type Load struct {
	Known    bool // a load runs or has run
	Progress workload.Progress
}
