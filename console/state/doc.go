// Package state is what the screen knows: what the replicas said last, how old that is, and what the session has shown.
// It is data and pure functions: no clock, no network, no terminal.
package state
