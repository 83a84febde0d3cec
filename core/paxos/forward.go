package paxos

// ForwardBytesMax is how many bytes of commands one Forward holds, unless a single
// command is larger. A gateway may repeat at once all that waits, which is more
// than a message between replicas may have.
const ForwardBytesMax = 2 << 20

// CutForward cuts commands into the messages that carry them, in order.
func CutForward(commands [][]byte, relayed bool) []*Forward {
	var cut []*Forward
	for first := 0; first < len(commands); {
		size, n := 0, first
		for ; n < len(commands); n++ {
			size += len(commands[n]) + commandLengthBytesMax
			if n > first && size > ForwardBytesMax {
				break
			}
		}
		cut = append(cut, &Forward{Commands: commands[first:n:n], Relayed: relayed})
		first = n
	}
	return cut
}

// onPropose passes commands of the own gateway to whoever leads.
//
// PUT 3/8 the leader gives the commands that wait a slot in [Proposer.Settle]. Next: the acceptors' onAccept.
func (p *Proposer) onPropose(e *Envelope, m *Propose, out *Output) {
	if e.From.Replica != p.cfg.Self {
		return
	}
	switch {
	case p.state == Leading:
		p.enqueue(m.Commands)
	case p.hearsLeader():
		p.forward(out, p.leader.Replica, CutForward(m.Commands, false))
	case p.relay != 0 && p.now-p.relayHeard < 2*uint64(p.electionTicks):
		p.forward(out, p.relay, CutForward(m.Commands, false))
	}
	// Otherwise they are dropped: the gateway owns the retry.
}

// onForward takes another replica's commands. One hop more is allowed, for
// those who cannot hear the leader that we hear.
func (p *Proposer) onForward(m *Forward, out *Output) {
	switch {
	case p.state == Leading:
		p.enqueue(m.Commands)
	case p.hearsLeader() && !m.Relayed:
		p.forward(out, p.leader.Replica, CutForward(m.Commands, true))
	}
}

func (p *Proposer) forward(out *Output, to ReplicaID, messages []*Forward) {
	for _, m := range messages {
		p.send(out, Address{to, RoleProposer}, m)
	}
}
