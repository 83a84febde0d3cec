package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"synod/core/paxos"
	"synod/daemon/fault"
	"synod/protocol"
)

// Link implements gateway.Operator: it breaks links of this replica, all that are
// named or none.
func (d *daemon) Link(m protocol.LinkControl) (protocol.Done, *protocol.Error) {
	if err := m.Check(); err != nil {
		return protocol.Done{}, d.refuse(protocol.CodeCorrupt, err)
	}
	links, err := d.linksNamed(&m)
	if err != nil {
		return protocol.Done{}, d.refuse(protocol.CodeCorrupt, err)
	}
	ids, err := d.faults.Break(links, m.Owner, time.Duration(m.ForMillis)*time.Millisecond)
	switch {
	case errors.Is(err, fault.ErrDisabled):
		return protocol.Done{}, d.refuse(protocol.CodeDenied, err)
	case errors.Is(err, fault.ErrMany):
		return protocol.Done{}, d.refuse(protocol.CodeOverloaded, err)
	case err != nil:
		return protocol.Done{}, d.refuse(protocol.CodeCorrupt, err)
	}
	words := make([]string, 0, len(links))
	for i := range links {
		f := fault.Fault{Link: links[i]}
		words = append(words, f.Text(d.self.Self))
	}
	return protocol.Done{Text: strings.Join(words, ", "), Faults: ids}, nil
}

// linksNamed makes a fault for every peer of an order.
func (d *daemon) linksNamed(m *protocol.LinkControl) ([]fault.Link, error) {
	link := fault.Link{
		Direction: directionNamed(m.Direction), Cut: m.Cut, LossPermille: m.LossPermille,
		Delay:  time.Duration(m.DelayMicros) * time.Microsecond,
		Jitter: time.Duration(m.JitterMicros) * time.Microsecond,
	}
	others := slices.DeleteFunc(d.config.ReplicaIDs(), func(id string) bool { return id == d.self.Self.String() })
	names := others
	if len(m.Peers) > 0 {
		names = slices.Compact(slices.Sorted(slices.Values(m.Peers)))
	}
	links := make([]fault.Link, 0, len(names))
	for _, name := range names {
		r, known := d.config.Replica(name)
		switch {
		case !known:
			return nil, fmt.Errorf("unknown replica %q, the others of %s are %s", name, d.self.Self, strings.Join(others, ", "))
		case paxos.ReplicaID(r.Number) == d.self.Self:
			return nil, fmt.Errorf("%s has no link to itself, the others are %s", name, strings.Join(others, ", "))
		}
		link.Peer = paxos.ReplicaID(r.Number)
		links = append(links, link)
	}
	return links, nil
}

// directionNamed is for names that were checked.
func directionNamed(name string) fault.Direction {
	switch name {
	case protocol.DirectionOut:
		return fault.Out
	case protocol.DirectionIn:
		return fault.In
	default:
		return fault.Both
	}
}

// Clear implements gateway.Operator: it ends faults of roles and links. To end what
// has ended already is no failure.
func (d *daemon) Clear(m protocol.FaultClear) (protocol.Done, *protocol.Error) {
	var ended []uint64
	var err error
	chaos := false
	switch {
	case m.All:
		chaos = d.faults.Chaos()
		ended, err = d.faults.ClearAll(m.Owner)
	case len(m.IDs) == 0:
		return protocol.Done{}, d.refuse(protocol.CodeCorrupt, errors.New("which faults? give ids, or all"))
	default:
		ended, err = d.faults.Clear(m.IDs, m.Owner)
	}
	if err != nil {
		return protocol.Done{}, d.refuse(protocol.CodeConflict, err)
	}
	words := make([]string, 0, len(ended)+1)
	for _, id := range ended {
		words = append(words, fmt.Sprintf("fault %d", id))
	}
	if chaos {
		words = append(words, "chaos")
	}
	if len(words) == 0 {
		return protocol.Done{Text: fmt.Sprintf("nothing to end at %s", d.self.Self)}, nil
	}
	return protocol.Done{Text: fmt.Sprintf("ended at %s: %s", d.self.Self, strings.Join(words, ", "))}, nil
}

// faultStatus lists the faults that are in force.
func (d *daemon) faultStatus() []protocol.FaultStatus {
	var all []protocol.FaultStatus
	for _, f := range d.faults.Active() {
		s := protocol.FaultStatus{
			ID: f.ID, Fault: f.Text(d.self.Self), Owner: f.Owner, Since: f.Since, Until: f.Until, Kind: string(f.Kind),
		}
		if f.Role != 0 {
			s.Role = f.Role.String()
		} else {
			s.Peer, s.Direction = f.Link.Peer.String(), f.Link.Direction.String()
			s.DelayMicros, s.JitterMicros = f.Link.Delay.Microseconds(), f.Link.Jitter.Microseconds()
			s.LossPermille = f.Link.LossPermille
		}
		all = append(all, s)
	}
	return all
}
