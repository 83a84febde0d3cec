package gateway

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"synod/core/paxos"
	"synod/protocol"
)

// TestAScanThatOutlivesTheGateway: the learner is stopped after the gateway, and may
// then get the answer to a read that waited for a majority for longer than a stop does.
func TestAScanThatOutlivesTheGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{})
		scan := protocol.Scan{Mode: protocol.Linearizable, Prefix: []byte("k")}
		b.write(scan.Append(nil, header(1, time.Minute)))
		if len(b.replica.reads) != 1 {
			t.Fatalf("the learner was handed reads %v", b.replica.reads)
		}
		b.stream.Session().Abort(errors.New("the test is over"))
		synctest.Wait()
		b.gateway.Close()
		b.gateway.Read([]paxos.ReadDone{{ID: b.replica.reads[0], Applied: b.slot}})
	})
}
