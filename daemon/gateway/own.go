package gateway

import (
	"synod/core/kv"
	"synod/core/session"
	"synod/protocol"
)

// ownSession is the gateway's session, for updates of clients that have none.
// The gateway's mu guards it. It is opened when the gateway is ready, and again
// after it has expired.
type ownSession struct {
	sequencer *session.Sequencer[struct{}]
	opening   bool
	token     session.Token
	usedAt    int64 // milliseconds; of its last use
	waiting   int   // entries of the waiters' table that no client waits for
	// parked wait for the session to be opened.
	parked []update
}

const (
	// parkedMax bounds the one-shot updates that wait for the gateway's session.
	parkedMax = 1024
	// ownIdleMillis without use, the session is replaced before it could expire
	// under a one-shot update, whose client could not know what that means.
	ownIdleMillis = 20 * 60 * 1000
)

// openOwnLocked asks for a session if there is none and none is on its way.
func (g *Gateway) openOwnLocked(now int64) {
	o := &g.own
	if o.opening || !o.sequencer.ID().IsZero() || !g.state.up.Load() || g.stopping.Load() {
		return
	}
	o.token = newToken()
	command := kv.AppendOpen(nil, o.token)
	if _, err := g.waiters.Register(now, session.Request[handle]{
		Key: session.OpenKey(o.token), Command: command, DeadlineMillis: forever, Handle: handle{kind: handleOwnOpen},
	}); err != nil {
		return // the table is full: the next step of the clock tries again
	}
	o.opening = true
	o.waiting++
	g.propose([][]byte{command})
}

// beginOneShotLocked gives an update a place in the gateway's session and
// registers it, or parks it until there is a session.
func (g *Gateway) beginOneShotLocked(now int64, u *update, commands [][]byte) [][]byte {
	o := &g.own
	if now-o.usedAt > ownIdleMillis && o.sequencer.Len() == 0 && !o.sequencer.ID().IsZero() {
		o.sequencer.End()
	}
	if o.sequencer.ID().IsZero() {
		if len(o.parked) >= parkedMax {
			u.handle.conn.answerError(u.handle, g.registerError(session.ErrOverloaded))
			return commands
		}
		o.parked = append(o.parked, *u)
		g.openOwnLocked(now)
		return commands
	}
	ticket, err := o.sequencer.Begin(struct{}{})
	if err != nil {
		u.handle.conn.answerError(u.handle, g.registerError(err))
		return commands
	}
	at := kv.Update{Session: ticket.Session, Sequence: ticket.Sequence, Low: ticket.Low}
	command := kv.AppendPut(nil, at, u.oneShot.Key, u.oneShot.Value)
	if u.oneShot.Delete {
		command = kv.AppendDelete(nil, at, u.oneShot.Key)
	}
	request := session.Request[handle]{
		Key: session.UpdateKey(ticket.Session, ticket.Sequence), Command: command,
		DeadlineMillis: forever, Handle: handle{kind: handleOwnUpdate},
	}
	// The gateway itself waits too, without a deadline: its low must not pass a
	// sequence whose result is unknown, and only a result makes it known.
	if _, err := g.waiters.Register(now, request); err != nil {
		o.sequencer.Cancel(ticket.Sequence)
		u.handle.conn.answerError(u.handle, g.registerError(err))
		return commands
	}
	o.waiting++
	o.usedAt = now
	o.sequencer.Sent(ticket.Sequence)
	request.DeadlineMillis, request.Handle = u.deadline, u.handle
	if _, err := g.waiters.Register(now, request); err != nil {
		u.handle.conn.answerError(u.handle, outcomeUnknown(g.registerError(err)))
	}
	return append(commands, command)
}

// outcomeUnknown turns a refusal into one that does not claim that the update
// was not executed.
func outcomeUnknown(refusal *protocol.Error) *protocol.Error {
	return protocol.Refuse(protocol.CodeTimeout, refusal.Replica, refusal.Text+"; the outcome of the update is unknown")
}

// ownResultLocked takes the result of something that the gateway itself waits
// for.
func (g *Gateway) ownResultLocked(h handle, r *session.Result) {
	o := &g.own
	o.waiting--
	switch {
	case h.kind == handleOwnOpen:
		o.opening = false
		if r.Status != session.OK {
			return // no room for a session: the clock asks again
		}
		o.sequencer.Open(r.Session)
		o.usedAt = g.now()
		g.unparkLocked()
	case r.Status == session.Expired:
		if r.Session == o.sequencer.ID() {
			o.sequencer.End()
		}
	default:
		o.sequencer.Result(*r)
	}
}

// unparkLocked starts the updates that waited for the session.
func (g *Gateway) unparkLocked() {
	parked := g.own.parked
	g.own.parked = nil
	now := g.now()
	var commands [][]byte
	for i := range parked {
		if parked[i].deadline <= now {
			g.refuseParked(&parked[i])
			continue
		}
		commands = g.beginOneShotLocked(now, &parked[i], commands)
	}
	if len(commands) > 0 {
		g.propose(commands)
	}
}

// refuseParked answers an update that never got a place in a session.
func (g *Gateway) refuseParked(u *update) {
	u.handle.conn.answerError(u.handle, protocol.Refuse(protocol.CodeUnavailable, g.options.Identity.Replica,
		"no session could be opened here in time, the update was not executed"))
	u.handle.conn.flush()
}

// expireParkedLocked answers parked updates that are out of time.
func (g *Gateway) expireParkedLocked(now int64) {
	kept := g.own.parked[:0]
	for i := range g.own.parked {
		if u := &g.own.parked[i]; u.deadline > now {
			kept = append(kept, *u)
		} else {
			g.refuseParked(u)
		}
	}
	clear(g.own.parked[len(kept):])
	g.own.parked = kept
}
