package main

import "synod/protocol"

// Slots implements gateway.Operator.
func (d *daemon) Slots(q protocol.SlotsQuery) protocol.Slots { return d.trace.Slots(q) }

// Ballots implements gateway.Operator.
func (d *daemon) Ballots(q protocol.BallotsQuery) protocol.Ballots { return d.trace.Ballots(q) }

// Digest implements gateway.Operator.
func (d *daemon) Digest() (protocol.Digest, *protocol.Error) { return protocol.Digest{}, nil }
