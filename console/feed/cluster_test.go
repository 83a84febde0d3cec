package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"synod/console/command"
	"synod/protocol"
	"synod/protocol/client"
)

func TestDescribe(t *testing.T) {
	for _, row := range []struct {
		name    string
		err     error
		kind    command.Failure
		outcome command.Outcome
		text    string
	}{
		{
			"refused",
			&client.Error{
				Code: protocol.CodeUnreachable,
				Text: "connect 127.0.0.1:7105: connection refused",
			},
			command.Unreachable, command.NotSent, "connect 127.0.0.1:7105: connection refused",
		},
		{
			"a retry that did not leave",
			&client.Error{
				Code: protocol.CodeUnreachable, Outcome: client.Unknown, Text: "connect 1.2.3.4:7: no route to host",
			},
			command.Unreachable, command.Unknown, "connect 1.2.3.4:7: no route to host",
		},
		{
			"no session in time", &client.Error{Code: protocol.CodeTimeout, Text: "no session in time"},
			command.Timeout, command.NotSent, "no session in time",
		},
		{
			"no answer",
			&client.Error{Code: protocol.CodeTimeout, Outcome: client.Unknown, RequestID: 7, Text: "no answer in time"},
			command.Timeout, command.Unknown, "no answer in time",
		},
		{
			"refused by the replica", &client.Error{Code: protocol.CodeOverloaded, RequestID: 7},
			command.Overloaded, command.Done, "overloaded",
		},
		{"context", context.DeadlineExceeded, command.Timeout, command.Unknown, context.DeadlineExceeded.Error()},
		{"another", errors.New("what?"), command.Internal, command.Unknown, "what?"},
	} {
		kind, outcome, err := Describe(fmt.Errorf("wrapped: %w", row.err))
		if kind != row.kind || outcome != row.outcome {
			t.Errorf("%s: %s, %s; want %s, %s", row.name, kind, outcome, row.kind, row.outcome)
		}
		var library *client.Error
		if errors.As(row.err, &library) && err.Error() != row.text {
			t.Errorf("%s: %q, want %q", row.name, err, row.text)
		}
		if !errors.Is(err, row.err) {
			t.Errorf("%s: the cause is lost", row.name)
		}
	}
}

func TestUnknownReplicaIsRefusedBeforeAnythingIsSent(t *testing.T) {
	c, err := OpenCluster(t.Context(), []client.Endpoint{{Replica: "r1", Address: "127.0.0.1:1"}}, discard())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	reply := c.Do(t.Context(), command.Request{Operation: command.Get, Replica: "r9", Key: []byte("k")})
	if reply.Outcome != command.NotSent || reply.Err == nil {
		t.Errorf("reply %+v", reply)
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
