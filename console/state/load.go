package state

// Load is the built-in workload and the verdict on its history.
type Load struct{}
