package main

import (
	"net/http"
	"runtime"
	"slices"
	"time"

	"synod/core/paxos"
	"synod/daemon/monitor"
	"synod/protocol"
)

// metrics answers with what Prometheus reads: the numbers of the status, from the
// same counters, and the distributions behind its quantiles.
func (d *daemon) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", monitor.ContentType)
	_, _ = w.Write(d.exposition()) // whoever asked is gone if it fails
}

// exposition is the text of all metrics. No label holds anything that clients send.
func (d *daemon) exposition() []byte {
	s := d.Status()
	var e monitor.Exposition
	d.exposeReplica(&e, &s)
	d.exposeConsensus(&e, &s)
	d.exposeRequests(&e, &s)
	d.exposeDisk(&e, &s)
	d.exposePeers(&e, &s)
	d.exposeQueues(&e, &s)
	return e.Bytes()
}

func (d *daemon) exposeReplica(e *monitor.Exposition, s *protocol.Status) {
	e.Gauge("synod_build_info", "What runs here; always 1.")
	e.Sample(1, "version", s.Version, "go_version", runtime.Version(), "replica", s.Replica)
	e.Gauge("synod_uptime_seconds", "Time since the start of the process.")
	e.Sample(time.Since(d.started).Seconds())
	notUp := []string{"down", "paused", "refusing", "recovering"}
	e.Gauge("synod_role_up", "Whether a role is neither down nor paused, and if an acceptor, votes.")
	for _, role := range s.Roles {
		e.Flag(!slices.Contains(notUp, role.State), "role", role.Role)
	}
	e.Counter("synod_role_restarts_total", "Starts of a role after the first.")
	for _, role := range s.Roles {
		e.Count(uint64(role.Restarts), "role", role.Role)
	}
	active := map[string]uint64{"crash": 0, "pause": 0, "cut": 0, "delay": 0, "loss": 0}
	for i := range s.Faults {
		active[s.Faults[i].Kind]++
	}
	e.Gauge("synod_fault_active", "Injected faults that are in force.")
	for _, kind := range []string{"crash", "pause", "cut", "delay", "loss"} {
		e.Count(active[kind], "kind", kind)
	}
	e.Gauge("synod_chaos", "Whether the random schedule of faults runs.")
	e.Flag(s.Chaos)
	var lost uint64
	for _, q := range d.lines {
		lost += q.Lost()
	}
	e.Counter("synod_dropped_log_lines_total", "Log lines that did not fit into the queue of a slow writer.")
	e.Count(lost)
}

func (d *daemon) exposeConsensus(e *monitor.Exposition, s *protocol.Status) {
	e.Gauge("synod_is_leader", "Whether the proposer of this replica leads.")
	e.Flag(s.Leader == s.Replica)
	e.Gauge("synod_has_leader", "Whether a leader is known here.")
	e.Flag(s.Leader != "")
	e.Gauge("synod_ballot_round", "Round of the highest ballot that the acceptor has promised.")
	e.Count(d.host.Status()[1].Agent.Ballot.Round)
	e.Gauge("synod_slot", "How far the replica is: the highest slot voted for; all slots chosen up to; applied up to; "+
		"applied and surely on disk; cut from the log.")
	for _, position := range []struct {
		name string
		slot uint64
	}{
		{"voted", s.Voted},
		{"chosen", s.Chosen},
		{"applied", s.Applied},
		{"snapshot", s.Flushed},
		{"floor", s.Floor},
	} {
		e.Count(position.slot, "position", position.name)
	}
	e.Counter("synod_revision_total", "Updates executed since the beginning of the cluster.")
	e.Count(s.Revision)
	r := &d.rounds
	e.Counter("synod_elections_total", "Campaigns of this replica's proposer, by what made it begin one.")
	e.Count(r.LinkDown.Load(), "reason", "link_down")
	e.Count(r.Silence.Load(), "reason", "silence")
	e.Count(r.NoLeader.Load(), "reason", "no_leader")
	e.Count(r.Stuck.Load(), "reason", "stuck")
	e.Counter("synod_leader_changes_total", "Changes of the leader that this replica has seen.")
	e.Count(r.Leaders.Load())
	e.Distribution("synod_choose_duration_seconds",
		"At the leader: from the Accept of a slot to the vote that makes a majority.")
	e.Histogram(r.Chosen.Histogram())
}

func (d *daemon) exposeRequests(e *monitor.Exposition, s *protocol.Status) {
	e.Distribution("synod_request_duration_seconds", "Time to the answer of requests that were answered without an error.")
	for _, o := range s.Operations {
		e.Histogram(operationHistogram(&o), "op", o.Operation, "result", "ok")
	}
	e.Counter("synod_request_failures_total", "Requests that ended with an error.")
	for _, o := range s.Operations {
		e.Count(o.Failed, "op", o.Operation)
	}
	e.Gauge("synod_connections", "Connections of clients and operators.")
	e.Count(uint64(s.Connections))
	c := &d.counters
	e.Counter("synod_requests_total", "Complete requests that arrived.")
	e.Count(c.Requests.Load())
	e.Counter("synod_refused_connections_total", "Connections refused at a limit or at the greeting.")
	e.Count(c.Refused.Load())
	e.Counter("synod_malformed_total", "Inputs that were no frames, greetings or requests.")
	e.Count(c.Malformed.Load())
	e.Counter("synod_retries_total", "Commands that the gateway handed to the proposer again.")
	e.Count(c.Retries.Load())
}

// operationHistogram is the durations of an operation in buckets that double.
func operationHistogram(o *protocol.OperationStatus) monitor.Histogram {
	h := monitor.Histogram{Sum: float64(o.SumMicros) / 1e6}
	for i := range protocol.LatencyBuckets {
		if i < len(o.Buckets) {
			h.Count += o.Buckets[i]
		}
		// The last bucket has no end.
		if i%4 == 0 && i < protocol.LatencyBuckets-1 {
			h.Bounds, h.Counts = append(h.Bounds, protocol.LatencyBucket(i)/1e6), append(h.Counts, h.Count)
		}
	}
	return h
}

func (d *daemon) exposeDisk(e *monitor.Exposition, s *protocol.Status) {
	e.Distribution("synod_fsync_duration_seconds", "Syncs of the acceptor's log.")
	e.Histogram(d.syncs.Histogram())
	e.Distribution("synod_fsync_batch_size", "Slots whose votes became durable with one sync.")
	e.Histogram(d.rounds.Batches.Histogram())
	e.Gauge("synod_log_bytes", "Files of the acceptor's log.")
	e.Count(uint64(s.LogBytes))
	e.Gauge("synod_store_bytes", "Files of the applied state.")
	e.Count(uint64(s.StoreBytes))
}

func (d *daemon) exposePeers(e *monitor.Exposition, s *protocol.Status) {
	e.Gauge("synod_peer_connected", "Whether there is a connection to another replica.")
	for i := range s.Peers {
		e.Flag(s.Peers[i].Connected, "peer", s.Peers[i].Replica)
	}
	e.Gauge("synod_peer_rtt_seconds", "Round trip to another replica, smoothed; left out before the first.")
	for i := range s.Peers {
		if rtt := s.Peers[i].RTTMicros; rtt > 0 {
			e.Sample(float64(rtt)/1e6, "peer", s.Peers[i].Replica)
		}
	}
	e.Counter("synod_transport_bytes_total", "Bytes of frames between replicas, pings left out.")
	for i := range s.Peers {
		e.Count(s.Peers[i].SentBytes, "direction", "out", "peer", s.Peers[i].Replica)
		e.Count(s.Peers[i].ReceivedBytes, "direction", "in", "peer", s.Peers[i].Replica)
	}
	e.Counter("synod_frames_total", "Messages between replicas, those out before any is dropped.")
	count := func(direction string) func(paxos.Kind, uint64) {
		return func(kind paxos.Kind, n uint64) { e.Count(n, "direction", direction, "type", kind.String()) }
	}
	d.counters.FramesSent.Each(count("out"))
	d.counters.FramesReceived.Each(count("in"))
	e.Counter("synod_foreign_frames_total", "Frames of replicas that were not theirs to send.")
	e.Count(d.counters.PeerForeign.Load())
	e.Counter("synod_link_breaks_total", "Connections to other replicas that broke.")
	e.Count(d.counters.LinkBreaks.Load())
}

func (d *daemon) exposeQueues(e *monitor.Exposition, s *protocol.Status) {
	e.Gauge("synod_queue_length", "What waits: messages of a role, requests, or bytes where the name says so.")
	for _, q := range s.Queues {
		e.Count(uint64(q.Length), "queue", q.Queue)
	}
	e.Gauge("synod_queue_limit", "How much may wait.")
	for _, q := range s.Queues {
		e.Count(uint64(q.Limit), "queue", q.Queue)
	}
	e.Counter("synod_queue_dropped_total", "What did not fit.")
	for _, q := range s.Queues {
		e.Count(q.Dropped, "queue", q.Queue)
	}
}
