package client_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"synod/protocol"
	"synod/protocol/client"
	"synod/protocol/client/clienttest"
)

// push sends a message on an operator's stream.
func push[M protocol.OperatorMessage](stream *protocol.Stream, request uint64, m *M) error {
	raw, err := protocol.AppendJSON(nil, request, m)
	if err == nil {
		_, err = stream.Write(raw)
	}
	return err
}

// serveOperator answers like a replica: ten statuses and forty frames of lines
// at once.
func serveOperator(f protocol.Frame, stream *protocol.Stream) error {
	switch f.Kind {
	case protocol.KindHello:
		return push(stream, f.Request, &protocol.HelloAnswer{Replica: "r1", Name: "demo"})
	case protocol.KindRole:
		return push(stream, f.Request, &protocol.Done{Text: "acceptor is down"})
	case protocol.KindChaos:
		_, err := stream.Write(protocol.Refuse(protocol.CodeDenied, 1, "faults are not enabled").Append(nil, f.Request))
		return err
	case protocol.KindStatusSubscribe:
		for slot := range 10 {
			if err := push(stream, f.Request, &protocol.Status{Replica: "r1", Applied: uint64(slot + 1)}); err != nil {
				return err
			}
		}
	case protocol.KindLogSubscribe:
		for n := range 40 {
			line := protocol.LogLine{Sequence: uint64(n + 1)}
			if err := push(stream, f.Request, &protocol.LogLines{Lines: []protocol.LogLine{line}}); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestOperator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := clienttest.New(1)
		defer cluster.Close()
		cluster.Replica("r1").Operate(serveOperator)
		o, err := client.OpenOperator(t.Context(), cluster.Endpoints()[0], client.WithConnector(cluster.Connect))
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		if hello, err := o.Hello(t.Context(), protocol.Hello{Program: "test"}); err != nil || hello.Name != "demo" {
			t.Errorf("hello: %+v, %v", hello, err)
		}
		crash := protocol.RoleControl{Action: protocol.ActionCrash, Role: "acceptor"}
		if done, err := o.Role(t.Context(), crash); err != nil || done.Text != "acceptor is down" {
			t.Errorf("role: %+v, %v", done, err)
		}
		crash.Role = "janitor"
		if _, err := o.Role(t.Context(), crash); !errors.Is(err, client.ErrDenied) {
			t.Errorf("an unknown role: %v", err)
		}
		if _, err := o.Chaos(t.Context(), protocol.ChaosControl{On: true}); !errors.Is(err, client.ErrDenied) ||
			failureOf(t, err).Outcome != client.NotSent {
			t.Errorf("chaos: %v", err)
		}
		statuses, err := o.Status(100 * time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		logs, err := o.Logs("info", 0)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // all was pushed
		if s, err := statuses.Next(t.Context()); err != nil || s.Applied != 10 {
			t.Errorf("status %+v, %v, want the newest", s, err)
		}
		checkLines(t, logs, 40)
		cluster.Replica("r1").Stop()
		if _, err := statuses.Next(t.Context()); err == nil {
			t.Error("the end of the connection is no error")
		}
		<-o.Done()
	})
}

// checkLines takes lines up to the last and holds them against what was dropped.
func checkLines(t *testing.T, logs *client.Subscription[protocol.LogLines], last uint64) {
	t.Helper()
	for next := uint64(1); next <= last; next++ {
		m, err := logs.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if next += m.Dropped; m.Lines[0].Sequence != next {
			t.Fatalf("line %d after %d dropped, want %d", m.Lines[0].Sequence, m.Dropped, next)
		}
	}
}

func TestOperatorWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := clienttest.New(1)
		defer cluster.Close()
		cluster.Replica("r1").Operate(func(protocol.Frame, *protocol.Stream) error { return nil })
		o, err := client.OpenOperator(t.Context(), cluster.Endpoints()[0], client.WithConnector(cluster.Connect))
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		start := time.Now()
		_, err = o.Hello(t.Context(), protocol.Hello{})
		if !errors.Is(err, client.ErrTimeout) || time.Since(start) != client.TimeoutDefault {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		<-o.Done()
	})
}
