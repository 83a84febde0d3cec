package state

// Ledger is what the replicas have told about slots and ballots.
type Ledger struct{}

// LedgerWant says which slots are looked at.
type LedgerWant struct{}
