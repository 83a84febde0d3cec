package main

import (
	"errors"

	"synod/protocol"
)

var errLinks = errors.New("faults of links are not there yet")

// Link implements gateway.Operator.
func (d *daemon) Link(protocol.LinkControl) (protocol.Done, *protocol.Error) {
	return protocol.Done{}, d.refuse(protocol.CodeDenied, errLinks)
}

// Clear implements gateway.Operator.
func (d *daemon) Clear(protocol.FaultClear) (protocol.Done, *protocol.Error) {
	return protocol.Done{}, d.refuse(protocol.CodeDenied, errLinks)
}
