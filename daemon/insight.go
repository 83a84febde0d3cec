package main

import "synod/protocol"

// Slots implements gateway.Operator.
func (d *daemon) Slots(protocol.SlotsQuery) protocol.Slots { return protocol.Slots{} }

// Ballots implements gateway.Operator.
func (d *daemon) Ballots(protocol.BallotsQuery) protocol.Ballots { return protocol.Ballots{} }

// Digest implements gateway.Operator.
func (d *daemon) Digest() (protocol.Digest, *protocol.Error) { return protocol.Digest{}, nil }
