package paxos

import (
	"slices"
	"testing"
)

// TestForwardsFitIntoFrames: what a gateway repeats at once, as after the loss of
// a leader, may be more than fits between replicas. It leaves in parts, whole and
// in order.
func TestForwardsFitIntoFrames(t *testing.T) {
	const frameBytesMax = 4 << 20 // of the wire
	commands := make([][]byte, 40)
	for i := range commands {
		commands[i] = make([]byte, 1<<20)
	}
	commands = append(commands, []byte("small"), make([]byte, ForwardBytesMax+1), []byte("last"))
	p := NewProposer(testConfig(1, 3, testPlant), ProposerOptions{Run: 11})
	step(p, from(2, RoleProposer, &Heartbeat{Ballot: ballot2}))
	out := step(p, from(1, RoleGateway, &Propose{Commands: commands}))
	var arrived [][]byte
	for _, m := range sentOf[*Forward](out) {
		size := 0
		for _, c := range m.Commands {
			size += len(c) + commandLengthBytesMax
		}
		if size > frameBytesMax-1024 || len(m.Commands) == 0 {
			t.Errorf("a message of %d commands has %d bytes", len(m.Commands), size)
		}
		arrived = append(arrived, m.Commands...)
	}
	if !slices.EqualFunc(arrived, commands, func(a, b []byte) bool { return len(a) == len(b) && &a[0] == &b[0] }) {
		t.Errorf("of %d commands %d arrive, or in another order", len(commands), len(arrived))
	}
	if got := sentOf[*Forward](step(p, from(1, RoleGateway, &Propose{}))); len(got) != 0 {
		t.Errorf("nothing to forward made %d messages", len(got))
	}
}
