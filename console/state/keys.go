package state

// Keys is what was read of the store for the screen.
type Keys struct{}

// KeysWant says which part of the store is looked at.
type KeysWant struct{}
