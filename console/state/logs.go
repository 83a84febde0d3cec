package state

// Logs is what the replicas and this program have logged, merged by time.
type Logs struct{}
