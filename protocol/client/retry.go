package client

import (
	"bytes"
	"context"
	"errors"

	"synod/core/session"
	"synod/protocol"
)

// unsettled is what an [Error] keeps of an update whose outcome is unknown: its
// place in a session and its command, so that the same can be sent again. It
// lives as long as the error; the session forgets the update when the lane ends.
type unsettled struct {
	client     *Client
	operation  string
	lane       *lane
	ticket     session.Ticket
	key, value []byte // copies; nobody changes them
	fate       *fate
}

// fate is what became known of an update after somebody gave it up. It is small,
// for the places of late answers keep it too. It is guarded by the mutex of the
// lanes.
type fate struct {
	known   bool
	replica string
	updated protocol.Updated
	refusal *protocol.Error // not executed, and never will be; nil if it was
}

// Retry finds out what became of an update whose outcome is unknown: failed is
// the error that its call returned. It sends the same command with the same
// session and sequence again, so that it is executed now if it was not before,
// and gives the result of its only execution. It may be called as often as you
// like, also with the error of a Retry. Options: [At], [Retrying].
//
// If the session has ended meanwhile, in the cluster or because more than
// [session.WindowMax] updates came after this one, the error is
// [ErrSessionExpired] and the outcome remains Unknown for ever; do not Put the
// same again unless doing it twice is harmless. For an error that is not one of
// this client's updates with unknown outcome it is [ErrDenied], and nothing is
// sent. The error keeps a copy of key and value for this.
func (c *Client) Retry(ctx context.Context, failed error, options ...CallOption) (Info, error) {
	var of *Error
	if !errors.As(failed, &of) {
		return Info{}, &Error{
			Code: protocol.CodeDenied, Operation: "retry", Text: "not the error of a call of this client", cause: failed,
		}
	}
	u := of.update
	if u == nil || u.client != c {
		return Info{}, &Error{
			Code: protocol.CodeDenied, Outcome: of.Outcome, Operation: "retry", cause: failed,
			Text: "not an update of this client whose outcome is unknown",
		}
	}
	call := c.begin(u.operation, protocol.KindUpdate, options)
	defer c.calls.put(call)
	call.key, call.value, call.update, call.fate = u.key, u.value, u, u.fate
	call.handed = true // by the call that failed
	if !c.lanes.resume(call) && !c.lanes.late(call) {
		return Info{}, c.failed(call, &failure{
			code: protocol.CodeSessionExpired, text: "the session has ended, the outcome will not become known",
		})
	}
	return c.finish(ctx, call)
}

// finish runs an update to its end.
func (c *Client) finish(ctx context.Context, call *call) (Info, error) {
	var err error
	if !c.lanes.late(call) {
		err = c.do(ctx, call)
	}
	c.lanes.leave(call)
	if err != nil && !c.lanes.late(call) {
		return Info{}, err
	}
	if refusal := call.answer.refusal; refusal != nil {
		call.handed = false
		return Info{}, c.failed(call, &failure{code: refusal.Code, retry: refusal.Retry, text: refusal.Text, cause: refusal})
	}
	info, updated := call.info(), &call.answer.updated
	info.Slot, info.Revision, info.Applied = updated.Slot, updated.Revision, updated.Applied
	return info, nil
}

// unsettled keeps what Retry needs.
func (c *Client) unsettled(call *call) *unsettled {
	if call.update != nil {
		return call.update
	}
	if call.fate == nil {
		call.fate = &fate{}
	}
	return &unsettled{
		client: c, operation: call.operation, lane: call.lane, ticket: call.ticket,
		key: bytes.Clone(call.key), value: bytes.Clone(call.value), fate: call.fate,
	}
}

// resume gives a call the place that its update has already; false if the
// session has ended or the outcome is known by now.
func (l *lanes) resume(c *call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := c.update.lane
	if n.ended != nil || c.fate.known {
		return false
	}
	n.callers++
	c.lane, c.ticket = n, c.update.ticket
	return true
}

// late gives a call the answer that came to one of its attempts, or to an
// earlier call with the same update, after it was given up. A repetition could
// find the result gone: who has heard it has acknowledged it to the cluster.
func (l *lanes) late(c *call) bool {
	if c.fate == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.fate.known {
		return false
	}
	c.answer = answer{kind: protocol.KindUpdated, updated: c.fate.updated, refusal: c.fate.refusal}
	c.replica = c.fate.replica
	return true
}

// learn notes what an answer says about the outcome of an update; the mutex is
// held.
func (f *fate) learn(replica string, a *answer) {
	switch {
	case a.kind == protocol.KindUpdated:
		f.updated = a.updated
	case a.refusal != nil && a.refusal.Code == protocol.CodeConflict:
		f.refusal = a.refusal
	default:
		return
	}
	f.known, f.replica = true, replica
}
