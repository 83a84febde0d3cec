package gateway

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"synod/daemon/monitor"
	"synod/protocol"
)

// Operator is what operators may ask of the daemon. Any goroutine may call.
type Operator interface {
	Hello(protocol.Hello) protocol.HelloAnswer
	Status() protocol.Status
	Role(protocol.RoleControl) (protocol.Done, *protocol.Error)
	Chaos(protocol.ChaosControl) (protocol.Done, *protocol.Error)
	Link(protocol.LinkControl) (protocol.Done, *protocol.Error)
	Clear(protocol.FaultClear) (protocol.Done, *protocol.Error)
	Slots(protocol.SlotsQuery) protocol.Slots
	Ballots(protocol.BallotsQuery) protocol.Ballots
	Digest() (protocol.Digest, *protocol.Error)
	Log() *monitor.Ring
}

const (
	// statusIntervalMin and statusIntervalMax bound the pause between two pushed
	// statuses.
	statusIntervalMin = 50 * time.Millisecond
	statusIntervalMax = 500 * time.Millisecond
	// operatorBytesMax bounds what waits for an operator to take it; a status is
	// left out and log lines wait in their ring while that is reached.
	operatorBytesMax = 1 << 20
)

// operatorConn is one stream of an operator.
type operatorConn struct {
	gateway *Gateway
	stream  *protocol.Stream
	outbox  *protocol.Outbox
	address string
	ctx     context.Context
	pushing sync.WaitGroup
	pushes  int
}

// pushesMax bounds the subscriptions of one stream.
const pushesMax = 4

func (g *Gateway) serveOperator(stream *protocol.Stream, address string) {
	ctx, cancel := context.WithCancel(context.Background())
	o := &operatorConn{
		gateway: g, stream: stream, address: address, ctx: ctx,
		outbox: protocol.NewOutbox(stream, 2*operatorBytesMax),
	}
	for {
		f, err := stream.Next()
		if err == nil {
			err = o.take(f)
		}
		if err != nil {
			g.streamEnded(address, stream, err)
			break
		}
	}
	cancel()
	o.pushing.Wait()
	o.outbox.Abort()
	<-o.outbox.Done()
}

// take handles one frame of an operator. An error ends the connection.
func (o *operatorConn) take(f protocol.Frame) error {
	operator := o.gateway.options.Operator
	switch f.Kind {
	case protocol.KindHello:
		m, err := protocol.DecodeJSON[protocol.Hello](f)
		if err != nil {
			return err
		}
		answer := operator.Hello(*m)
		return send(o, f.Request, &answer)
	case protocol.KindStatusSubscribe:
		m, err := protocol.DecodeJSON[protocol.StatusSubscribe](f)
		if err != nil {
			return err
		}
		return o.push(f.Request, func() { o.pushStatus(f.Request, m) })
	case protocol.KindLogSubscribe:
		m, err := protocol.DecodeJSON[protocol.LogSubscribe](f)
		if err != nil {
			return err
		}
		return o.subscribeLog(f.Request, m)
	case protocol.KindRole:
		m, err := protocol.DecodeJSON[protocol.RoleControl](f)
		if err != nil {
			return err
		}
		m.Owner = owner(m.Owner, o.address)
		done, failure := operator.Role(*m)
		return o.finish(f.Request, done, failure)
	case protocol.KindChaos:
		m, err := protocol.DecodeJSON[protocol.ChaosControl](f)
		if err != nil {
			return err
		}
		m.Owner = owner(m.Owner, o.address)
		done, failure := operator.Chaos(*m)
		return o.finish(f.Request, done, failure)
	case protocol.KindLink, protocol.KindFaultClear:
		return o.breakOrMend(f)
	case protocol.KindSlotsQuery, protocol.KindBallotsQuery, protocol.KindDigestQuery:
		return o.answer(f)
	case protocol.KindPing:
		_, err := o.outbox.Write(protocol.AppendFrame(nil, &protocol.Frame{Kind: protocol.KindPong, Request: f.Request}))
		return err
	case protocol.KindPong, protocol.KindLeaving:
		return nil
	}
	if f.Kind.Optional() {
		return nil
	}
	return errKind
}

// breakOrMend handles the orders about faults of links.
func (o *operatorConn) breakOrMend(f protocol.Frame) error {
	operator := o.gateway.options.Operator
	if f.Kind == protocol.KindFaultClear {
		m, err := protocol.DecodeJSON[protocol.FaultClear](f)
		if err != nil {
			return err
		}
		m.Owner = owner(m.Owner, o.address)
		done, failure := operator.Clear(*m)
		return o.finish(f.Request, done, failure)
	}
	m, err := protocol.DecodeJSON[protocol.LinkControl](f)
	if err != nil {
		return err
	}
	m.Owner = owner(m.Owner, o.address)
	done, failure := operator.Link(*m)
	return o.finish(f.Request, done, failure)
}

// answer handles the questions about what has happened lately.
func (o *operatorConn) answer(f protocol.Frame) error {
	operator := o.gateway.options.Operator
	switch f.Kind {
	case protocol.KindSlotsQuery:
		m, err := protocol.DecodeJSON[protocol.SlotsQuery](f)
		if err != nil {
			return err
		}
		slots := operator.Slots(*m)
		return send(o, f.Request, &slots)
	case protocol.KindBallotsQuery:
		m, err := protocol.DecodeJSON[protocol.BallotsQuery](f)
		if err != nil {
			return err
		}
		ballots := operator.Ballots(*m)
		return send(o, f.Request, &ballots)
	default:
		digest, failure := operator.Digest()
		if failure != nil {
			return o.finish(f.Request, protocol.Done{}, failure)
		}
		return send(o, f.Request, &digest)
	}
}

// ownerBytesMax is how much is kept of the name that an operator gives: it is in
// every status, with every fault, and a status that does not fit into a frame would
// blind all operators.
const ownerBytesMax = 64

// owner names who asked for a fault: the name that he gives, and from where.
func owner(name, address string) string {
	if len(name) > ownerBytesMax {
		name = strings.ToValidUTF8(name[:ownerBytesMax], "")
	}
	if name == "" {
		return address
	}
	return name + "@" + address
}

// send answers with a JSON body.
func send[M protocol.OperatorMessage](o *operatorConn, request uint64, message *M) error {
	frame, err := protocol.AppendJSON(nil, request, message)
	if err != nil {
		return err
	}
	_, err = o.outbox.Write(frame)
	return err
}

func (o *operatorConn) finish(request uint64, done protocol.Done, failure *protocol.Error) error {
	if failure == nil {
		return send(o, request, &done)
	}
	_, err := o.outbox.Write(failure.Append(nil, request))
	return err
}

// push starts a subscription.
func (o *operatorConn) push(request uint64, run func()) error {
	if o.pushes++; o.pushes > pushesMax {
		return o.finish(request, protocol.Done{}, o.gateway.overloaded("subscriptions of this stream"))
	}
	o.pushing.Go(run)
	return nil
}

// pushStatus sends the status now, then when it has changed and the pause is
// over, and at least twice a second, so that a reader knows that it is current.
func (o *operatorConn) pushStatus(request uint64, m *protocol.StatusSubscribe) {
	pause := time.Duration(m.IntervalMillis) * time.Millisecond
	ticker := time.NewTicker(min(max(pause, statusIntervalMin), statusIntervalMax))
	defer ticker.Stop()
	var last protocol.Status
	var sent time.Time
	for {
		status := o.gateway.options.Operator.Status()
		due := time.Since(sent) >= statusIntervalMax || changed(&last, &status)
		if due && o.outbox.Waiting() < operatorBytesMax {
			if err := send(o, request, &status); err != nil {
				o.gateway.options.Logger.Debug("status not pushed", "client", o.address, "reason", err)
				return
			}
			last, sent = status, time.Now()
		}
		select {
		case <-o.ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// changed compares what people look at; clocks and round trips always differ.
func changed(a, b *protocol.Status) bool {
	steady := func(s protocol.Status) protocol.Status {
		s.UptimeMS, s.Peers, s.SyncMicros = 0, slices.Clone(s.Peers), protocol.Quantiles{}
		// Requests change with them; and files grow whenever anything is applied.
		s.Operations, s.LogBytes, s.StoreBytes = nil, 0, 0
		for i := range s.Peers {
			p := &s.Peers[i]
			p.RTTMicros, p.LastHeard, p.SentBytes, p.ReceivedBytes = 0, time.Time{}, 0, 0
		}
		return s
	}
	return !reflect.DeepEqual(steady(*a), steady(*b))
}

func (o *operatorConn) subscribeLog(request uint64, m *protocol.LogSubscribe) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(m.Level)); err != nil {
		return o.finish(request, protocol.Done{}, protocol.Refuse(protocol.CodeCorrupt,
			o.gateway.options.Identity.Replica, "level must be debug, info, warn or error"))
	}
	return o.push(request, func() { o.pushLog(request, level, m.From) })
}

// pushLog sends log lines as they come. While the operator is slow the ring goes
// on without him, and the gap is told.
func (o *operatorConn) pushLog(request uint64, level slog.Level, from uint64) {
	ring := o.gateway.options.Operator.Log()
	if from == 0 {
		from = ring.Last() + 1
	}
	lines := make([]monitor.Line, 0, protocol.LogLinesMax/2)
	for {
		var err error
		var dropped uint64
		lines, from, dropped, err = ring.Read(o.ctx, from, level, lines[:0])
		if err != nil {
			return
		}
		message := protocol.LogLines{Dropped: dropped}
		for _, l := range lines {
			message.Lines = append(message.Lines, protocol.LogLine{
				Sequence: l.Sequence, Time: l.Time, Level: l.Level.String(), Text: l.Text,
			})
		}
		for o.outbox.Waiting() >= operatorBytesMax {
			select {
			case <-o.ctx.Done():
				return
			case <-time.After(statusIntervalMin):
			}
		}
		if err := send(o, request, &message); err != nil {
			return
		}
	}
}
