package paxos

// batch makes a value of the commands that wait.
func (p *Proposer) batch() Value {
	size, n := wallBytes, 0
	for n < len(p.queue) && n < p.options.BatchCommandsMax {
		grown := size + len(p.queue[n]) + commandLengthBytesMax
		if n > 0 && grown > p.options.BatchBytesMax {
			break
		}
		size = grown
		n++
	}
	value := AppendBatch(make([]byte, 0, size), p.wallMillis, p.queue[:n])
	for i := range n {
		p.queueBytes -= len(p.queue[i])
		p.queue[i] = nil
	}
	p.queue = p.queue[n:]
	return value
}

// commandLengthBytesMax is the longest length prefix of a command.
const commandLengthBytesMax = 5

// enqueue takes commands for the slots to come.
func (p *Proposer) enqueue(commands [][]byte) {
	for _, c := range commands {
		if p.queueBytes+len(c) > p.options.QueueBytesMax {
			p.dropped++
			continue
		}
		p.queue = append(p.queue, c)
		p.queueBytes += len(c)
	}
}
