package gateway

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"synod/core/paxos"
	"synod/daemon/monitor"
	"synod/protocol"
)

// TestRequestsAreCountedByOperation: with what they took, and errors apart.
func TestRequestsAreCountedByOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{RequestsPerClient: 3})
		id := b.open()
		b.write(put(nil, id, 1, header(1, time.Second)))
		b.write(get(nil, protocol.Linearizable, header(2, time.Second)))
		b.write(get(nil, protocol.Linearizable, header(3, time.Second)))
		b.write(get(nil, protocol.Linearizable, header(4, time.Second))) // one too many
		b.pass(3 * time.Millisecond)
		b.applyAll()
		b.pass(2 * time.Millisecond)
		b.gateway.Read([]paxos.ReadDone{{ID: b.replica.reads[0], Applied: b.slot}})
		b.pass(time.Second) // the second get is out of time
		deleted := protocol.OneShot{Delete: true, Key: []byte("k")}
		b.write(deleted.Append(nil, header(5, time.Second)))
		b.applyAll()
		scan := protocol.Scan{Mode: protocol.Stale, Entries: 1, Bytes: 100}
		b.write(scan.Append(nil, header(6, time.Second)))
		want := map[string][3]uint64{ // answered, failed, microseconds
			monitor.OperationOther.String(): {1, 0, 0}, monitor.OperationPut.String(): {1, 0, 3000},
			monitor.OperationGet.String(): {1, 2, 5000}, monitor.OperationDelete.String(): {1, 0, 0},
			monitor.OperationScan.String(): {1, 0, 0},
		}
		all := b.count.Operations.Status()
		if len(all) != len(want) {
			t.Errorf("%d operations are counted: %+v", len(all), all)
		}
		for _, o := range all {
			answered := uint64(0)
			for _, n := range o.Buckets {
				answered += n
			}
			if got := [3]uint64{answered, o.Failed, o.SumMicros}; got != want[o.Operation] {
				t.Errorf("%s: answered, failed, microseconds %v, want %v", o.Operation, got, want[o.Operation])
			}
		}
	})
}

func TestStatusesThatDifferOnlyInClocksAreNotPushed(t *testing.T) {
	before := protocol.Status{
		Replica: "r1", UptimeMS: 1, LogBytes: 5, Operations: []protocol.OperationStatus{{Operation: "put"}},
		Peers: []protocol.PeerStatus{{Replica: "r2", RTTMicros: 100}},
	}
	after := before
	after.UptimeMS, after.LogBytes, after.StoreBytes, after.SyncMicros.Max = 2, 6, 7, 8
	after.Operations = nil
	after.Peers = []protocol.PeerStatus{{Replica: "r2", RTTMicros: 120, LastHeard: time.Now(), SentBytes: 1}}
	if changed(&before, &after) {
		t.Error("clocks, round trips and sizes of files make a status worth a push")
	}
	after.Requests.Updates++
	if !changed(&before, &after) {
		t.Error("an answered request, whose rate people look at, does not")
	}
}

// TestAStatusFitsWhateverOperatorsCallThemselves: with as many faults as a replica takes, by names that JSON makes long.
func TestAStatusFitsWhateverOperatorsCallThemselves(t *testing.T) {
	name := owner(strings.Repeat("\x01", 100_000), "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff%enp0s31f6]:65535")
	var status protocol.Status
	for range 256 {
		status.Faults = append(status.Faults, protocol.FaultStatus{
			ID: 1 << 60, Fault: "delay r1<>r3 9m59.999999s jitter 9m59.999999s loss 99.9%", Owner: name, Since: time.Now(),
			Until: time.Now(), Kind: "delay", Peer: "r3", Direction: "both", DelayMicros: 1 << 40, JitterMicros: 1 << 40,
			LossPermille: 999,
		})
	}
	if _, err := protocol.AppendJSON(nil, 1, &status); err != nil {
		t.Error(err)
	}
	if got := owner("ada", "127.0.0.1:5"); got != "ada@127.0.0.1:5" {
		t.Error(got)
	}
}
