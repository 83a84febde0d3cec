package gateway

import (
	"errors"
	"fmt"
	"log/slog"

	"synod/core/kv"
	"synod/core/paxos"
	"synod/core/session"
	"synod/daemon/monitor"
	"synod/protocol"
)

// update is an update on its way into the log.
type update struct {
	handle   handle
	key      session.Key
	command  []byte // part of frames.memory
	digest   uint64
	deadline int64
	oneShot  *protocol.OneShot // its command is made when its sequence is known
}

// Errors that end a connection beside those of its frames.
var (
	errKind = errors.New("request of an unknown kind")
)

// take decodes one frame into the batch. An error ends the connection.
func (c *conn) take(batch *frames, f protocol.Frame) error {
	switch f.Kind {
	case protocol.KindUpdate:
		return c.takeUpdate(batch, f)
	case protocol.KindGet:
		return c.takeGet(batch, f)
	case protocol.KindScan:
		return c.takeScan(batch, f)
	case protocol.KindOpenSession:
		return c.takeOpen(batch, f)
	case protocol.KindOneShot:
		return c.takeOneShot(batch, f)
	case protocol.KindPing:
		c.mu.Lock()
		c.answers = protocol.AppendFrame(c.answers, &protocol.Frame{Kind: protocol.KindPong, Request: f.Request})
		c.mu.Unlock()
		return nil
	case protocol.KindPong:
		return nil
	case protocol.KindLeaving:
		return nil
	}
	if f.Kind.Optional() {
		return nil
	}
	c.refuseUnbegun(f.Request, protocol.Refuse(protocol.CodeVersion, c.gateway.options.Identity.Replica,
		fmt.Sprintf("kind %s is not known here", f.Kind)), monitor.OperationOther)
	return errKind
}

// enter does what all requests need: it counts, checks the limits and decides
// about the readable line. False: the request is answered already.
func (c *conn) enter(f protocol.Frame, kind handleKind, counted monitor.Operation) (handle, bool) {
	g := c.gateway
	g.options.Counters.Requests.Add(1)
	if failure := c.begin(len(f.Body)); failure != nil {
		c.refuseUnbegun(f.Request, failure, counted)
		return handle{}, false
	}
	h := handle{
		conn: c, request: f.Request, begun: g.micros(), size: int32(len(f.Body)), kind: kind, counted: counted,
	}
	if failure := g.ready(); failure != nil {
		c.answerError(h, failure)
		return handle{}, false
	}
	h.logged = g.options.Requests.Take()
	return h, true
}

// countedAs is what an update counts as.
func countedAs(op kv.Op) monitor.Operation {
	switch op {
	case kv.Put:
		return monitor.OperationPut
	case kv.Delete:
		return monitor.OperationDelete
	}
	return monitor.OperationOther
}

// keep copies bytes of a frame into the batch's memory.
func (b *frames) keep(data []byte) []byte {
	if free := cap(b.memory) - len(b.memory); free < len(data) {
		b.memory = make([]byte, 0, max(len(data), memoryBytes))
	}
	at := len(b.memory)
	b.memory = append(b.memory, data...)
	return b.memory[at:len(b.memory):len(b.memory)]
}

// memoryBytes is how much memory for copies is made at a time.
const memoryBytes = 16 << 10

func (c *conn) takeUpdate(batch *frames, f protocol.Frame) error {
	command, err := kv.Decode(f.Body)
	if err == nil && command.Op != kv.Put && command.Op != kv.Delete && command.Op != kv.Close {
		err = fmt.Errorf("%w: %s is no update", kv.ErrMalformed, command.Op)
	}
	if err != nil {
		c.refuseUnbegun(f.Request, c.corrupt(err), monitor.OperationOther)
		return err
	}
	h, ok := c.enter(f, handleUpdate, countedAs(command.Op))
	if !ok {
		return nil
	}
	if command.Op != kv.Close {
		if failure := c.checkSizes(command.Key, command.Value); failure != nil {
			c.answerError(h, failure)
			return nil
		}
	}
	if h.logged {
		c.updateLine(h, command.Op.String(), command.Key, command.Value)
	}
	batch.updates = append(batch.updates, update{
		handle: h, key: session.UpdateKey(command.Update.Session, command.Update.Sequence),
		command: batch.keep(f.Body), digest: command.Digest(), deadline: deadline(h.begun, f.Remaining),
	})
	return nil
}

func (c *conn) takeOpen(batch *frames, f protocol.Frame) error {
	m, err := protocol.DecodeOpenSession(f.Body)
	if err != nil {
		c.refuseUnbegun(f.Request, c.corrupt(err), monitor.OperationOther)
		return err
	}
	h, ok := c.enter(f, handleOpen, monitor.OperationOther)
	if !ok {
		return nil
	}
	if h.logged {
		c.gateway.options.Requests.Line("open session", slog.Uint64("req", h.request), slog.String("client", c.address))
	}
	batch.updates = append(batch.updates, update{
		handle: h, key: session.OpenKey(m.Token), command: kv.AppendOpen(nil, m.Token),
		deadline: deadline(h.begun, f.Remaining),
	})
	return nil
}

func (c *conn) takeOneShot(batch *frames, f protocol.Frame) error {
	m, err := protocol.DecodeOneShot(f.Body)
	if err != nil {
		c.refuseUnbegun(f.Request, c.corrupt(err), monitor.OperationOther)
		return err
	}
	op := kv.Put
	if m.Delete {
		op = kv.Delete
	}
	h, ok := c.enter(f, handleOneShot, countedAs(op))
	if !ok {
		return nil
	}
	if failure := c.checkSizes(m.Key, m.Value); failure != nil {
		c.answerError(h, failure)
		return nil
	}
	if h.logged {
		c.updateLine(h, op.String(), m.Key, m.Value)
	}
	m.Key, m.Value = batch.keep(m.Key), batch.keep(m.Value)
	batch.updates = append(batch.updates, update{handle: h, oneShot: &m, deadline: deadline(h.begun, f.Remaining)})
	return nil
}

func (c *conn) checkSizes(key, value []byte) *protocol.Error {
	err := kv.CheckSizes(key, value)
	if err == nil {
		return nil
	}
	code := protocol.CodeCorrupt
	if errors.Is(err, kv.ErrTooLarge) {
		code = protocol.CodeTooLarge
	}
	return protocol.Refuse(code, c.gateway.options.Identity.Replica, err.Error())
}

func (c *conn) corrupt(err error) *protocol.Error {
	return protocol.Refuse(protocol.CodeCorrupt, c.gateway.options.Identity.Replica, err.Error())
}

// lineKeyBytesMax is how much of a key a line shows.
const lineKeyBytesMax = 80

// shown is a key for a line; the logger quotes what needs quoting, because
// anybody may have sent it.
func shown(key []byte) string {
	if len(key) > lineKeyBytesMax {
		return string(key[:lineKeyBytesMax]) + "…"
	}
	return string(key)
}

func (c *conn) updateLine(h handle, op string, key, value []byte) {
	c.gateway.options.Requests.Line(op, slog.Uint64("req", h.request), slog.String("client", c.address),
		slog.String("key", shown(key)), slog.Int("value_bytes", len(value)))
}

// submit sends a batch on its ways and empties it.
func (g *Gateway) submit(c *conn, batch *frames) {
	if len(batch.updates) > 0 {
		g.update(batch.updates)
		clear(batch.updates)
		batch.updates = batch.updates[:0]
	}
	if len(batch.reads) > 0 {
		g.read(c, batch.reads)
		batch.reads = nil // the learner's answer needs it
	}
	for i := range batch.stale {
		g.readNow(c, &batch.stale[i])
		batch.stale[i] = read{}
	}
	batch.stale = batch.stale[:0]
	batch.memory = batch.memory[len(batch.memory):]
	c.flush()
}

// update registers whoever waits and hands all commands that are new to the own
// proposer, as one message.
//
// PUT 2/8 register the waiter, propose. Next: core/paxos Proposer.onPropose.
func (g *Gateway) update(updates []update) {
	if failure := g.noProposer(); failure != nil {
		for i := range updates {
			updates[i].handle.conn.answerError(updates[i].handle, failure)
		}
		return
	}
	commands := make([][]byte, 0, len(updates))
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	for i := range updates {
		u := &updates[i]
		if u.oneShot != nil {
			commands = g.beginOneShotLocked(now, u, commands)
			continue
		}
		joined, err := g.waiters.Register(now, session.Request[handle]{
			Key: u.key, Command: u.command, Digest: u.digest, DeadlineMillis: u.deadline, Handle: u.handle,
		})
		switch {
		case err != nil:
			u.handle.conn.answerError(u.handle, g.registerError(err))
		case !joined:
			commands = append(commands, u.command)
		}
	}
	if len(commands) > 0 {
		// Under the lock, so that nothing is applied before its waiter is known.
		g.propose(commands)
	}
}

// noProposer says why no update can be taken: the own proposer is down or
// paused and no other is known to lead.
func (g *Gateway) noProposer() *protocol.Error {
	if g.options.Replica.Proposing() || g.options.Replica.Leader() != paxos.Everyone {
		return nil
	}
	return protocol.Refuse(protocol.CodeUnavailable, g.options.Identity.Replica,
		"the proposer of this replica is down or paused and no leader is known")
}

func (g *Gateway) registerError(err error) *protocol.Error {
	code := protocol.CodeOverloaded
	if errors.Is(err, session.ErrConflict) {
		code = protocol.CodeConflict
	}
	return protocol.Refuse(code, g.options.Identity.Replica, err.Error())
}

// isMalformed tells a client's nonsense from the end of its connection.
func isMalformed(err error) bool {
	return errors.Is(err, kv.ErrMalformed) || errors.Is(err, kv.ErrUnknownOperation) ||
		errors.Is(err, protocol.ErrMalformed) || errors.Is(err, errKind)
}
