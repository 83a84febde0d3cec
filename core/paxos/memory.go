package paxos

// What an acceptor holds, and what of it stays in memory.

func (a *Acceptor) raise(b Ballot) {
	if a.promised.Less(b) {
		a.promised = b
	}
}

func (a *Acceptor) hold(s Slot, b Ballot, v Value) {
	held := a.votes.At(s)
	if !held.away {
		a.resident -= len(held.value)
	}
	a.held += int64(len(v)) - int64(held.bytes)
	*held = vote{ballot: b, value: v, bytes: int32(len(v))}
	a.resident += len(v)
	a.highest = max(a.highest, s)
	a.evictNext = min(a.evictNext, s)
}

// evict lets go of the oldest values in memory. They are in the log: evict runs
// in Settle, and the agent appends the batch's records before the next Step.
func (a *Acceptor) evict() {
	for a.resident > a.options.MemoryBytesMax && a.evictNext <= a.highest {
		a.evictNext = min(a.votes.next(a.evictNext), a.highest)
		if v := a.votes.find(a.evictNext); v != nil && !v.away && len(v.value) > 0 {
			a.resident -= len(v.value)
			v.value, v.away = nil, true
		}
		a.evictNext++
	}
}

func (a *Acceptor) ballotOf(s Slot) (Ballot, bool) {
	v := a.votes.find(s)
	if v == nil {
		return Ballot{}, false
	}
	return v.ballot, true
}

// entry returns what is held for a slot, from memory or from the log.
func (a *Acceptor) entry(s Slot) (Entry, bool) {
	v := a.votes.find(s)
	if v == nil {
		return Entry{}, false
	}
	value := v.value
	if v.away {
		value = a.archive.Load(s)
	}
	return Entry{Slot: s, Ballot: v.ballot, Value: value}, true
}

// learn merges a run into what is known. Runs come nearly always in order and
// in the ballot of the last one, and then only extend it.
func (a *Acceptor) learn(run ChosenRun) {
	a.runs = mergeRun(a.runs, run)
	for _, r := range a.runs {
		if r.First > a.chosen+1 {
			break
		}
		a.chosen = max(a.chosen, r.Last)
	}
}
