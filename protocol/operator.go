package protocol

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Bodies of an operator's frames are JSON: they are rare, people read them in
// captures, and a reader ignores fields it does not know.

// Hello asks who is there.
type Hello struct {
	// Program and Version of the asker, for the replica's log.
	Program string `json:"program"`
	Version string `json:"version"`
}

// HelloAnswer says who is there.
type HelloAnswer struct {
	Cluster     string   `json:"cluster"` // id in hex
	Name        string   `json:"name"`    // of the cluster, typed to confirm severe actions
	Replica     string   `json:"replica"`
	Incarnation uint64   `json:"incarnation"`
	Version     string   `json:"version"`
	Replicas    []string `json:"replicas"`
	Faults      bool     `json:"faults"` // whether faults may be injected here
	PID         int      `json:"pid"`
	// Now is the replica's clock when it answered: with the time that the question
	// took it tells how far two clocks are apart.
	Now time.Time `json:"now"`
}

// StatusSubscribe asks for a Status now and on every change.
type StatusSubscribe struct {
	// IntervalMillis is the shortest pause between two; 50 to 500 are granted.
	IntervalMillis int `json:"interval_ms"`
}

// Status is what a replica says about itself, the same on the wire, on the
// screen, in metrics and in tests.
type Status struct {
	Replica     string        `json:"replica"`
	Incarnation uint64        `json:"incarnation"`
	Roles       []RoleStatus  `json:"roles"`
	Leader      string        `json:"leader"` // "" if none is known
	Ballot      string        `json:"ballot"`
	Voted       uint64        `json:"voted"`   // highest slot its acceptor voted in
	Chosen      uint64        `json:"chosen"`  // end of the unbroken prefix its learner knows
	Applied     uint64        `json:"applied"` // in the state machine
	Flushed     uint64        `json:"flushed"` // applied and surely on disk
	Floor       uint64        `json:"floor"`   // what its acceptor has cut away
	Revision    uint64        `json:"revision"`
	Queues      []QueueStatus `json:"queues"`
	Peers       []PeerStatus  `json:"peers"`
	SyncMicros  Quantiles     `json:"sync_us"` // of the acceptor's log
	Faults      []FaultStatus `json:"faults"`
	Chaos       bool          `json:"chaos"` // whether the random schedule runs
	Connections int           `json:"connections"`
	Requests    Requests      `json:"requests"`
	// Operations holds the durations of answered requests, for rates, quantiles
	// and charts. They count from the start of the process.
	Operations []OperationStatus `json:"operations,omitempty"`
	// LogBytes are the files of the acceptor's log, StoreBytes those of the applied
	// state; the latter a few seconds old at most.
	LogBytes   int64 `json:"log_bytes,omitempty"`
	StoreBytes int64 `json:"store_bytes,omitempty"`
	// LastErrors are the newest log lines of level error, shortened, the newest last.
	LastErrors  []LogLine `json:"last_errors,omitempty"`
	Version     string    `json:"version"`
	UptimeMS    int64     `json:"uptime_ms"`
	LogSequence uint64    `json:"log_sequence"` // of the newest log line
	PID         int       `json:"pid"`
}

// RoleStatus is the state of one role.
type RoleStatus struct {
	Role     string    `json:"role"`  // proposer, acceptor, learner
	State    string    `json:"state"` // such as leading, following, normal, refusing, down, paused
	Since    time.Time `json:"since"`
	Restarts int       `json:"restarts"`
	Cause    string    `json:"cause"` // of the state, "" if there is nothing to explain
}

// QueueStatus is the length of one bounded queue.
type QueueStatus struct {
	Queue   string `json:"queue"`
	Length  int    `json:"length"`
	Limit   int    `json:"limit"`
	Dropped uint64 `json:"dropped"`
}

// PeerStatus is a link as this replica sees it.
type PeerStatus struct {
	Replica   string    `json:"replica"`
	Connected bool      `json:"connected"`
	RTTMicros int64     `json:"rtt_us"`
	LastHeard time.Time `json:"last_heard"`
	// Bytes of frames since the start, pings left out.
	SentBytes     uint64 `json:"sent_bytes,omitempty"`
	ReceivedBytes uint64 `json:"received_bytes,omitempty"`
}

// FaultStatus is an injected fault that is in force.
type FaultStatus struct {
	ID    uint64    `json:"id"`    // of this process, for [FaultClear]
	Fault string    `json:"fault"` // for people, such as "crash acceptor" or "delay r1>r3 50ms"
	Owner string    `json:"owner"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Kind is crash, pause, cut, delay or loss.
	Kind string `json:"kind"`
	Role string `json:"role,omitempty"` // of a crash or pause
	// Peer, Direction and the values of [LinkControl], of a fault of a link. An
	// order that names several peers becomes one fault for each.
	Peer         string `json:"peer,omitempty"`
	Direction    string `json:"direction,omitempty"`
	DelayMicros  int64  `json:"delay_us,omitempty"`
	JitterMicros int64  `json:"jitter_us,omitempty"`
	LossPermille int    `json:"loss_permille,omitempty"`
}

// Quantiles of a duration in microseconds, of the last ten seconds; zero without
// anything to measure.
type Quantiles struct {
	P50 int64 `json:"p50"`
	P99 int64 `json:"p99"`
	Max int64 `json:"max"`
}

// OperationStatus is the requests of one kind that clients have sent to this
// replica.
type OperationStatus struct {
	Operation string `json:"operation"` // put, del, get, scan, or other
	// Buckets counts the answered ones by their duration: see [LatencyBucket].
	// Zeros at the end are left out.
	Buckets   []uint64 `json:"buckets"`
	SumMicros uint64   `json:"sum_us"`
	Failed    uint64   `json:"failed"` // ended with an error; they are in no bucket
}

// LatencyBuckets is the number of buckets of an [OperationStatus]. The last one
// takes everything longer.
const LatencyBuckets = 80

// LatencyBucket gives the upper bound in microseconds of a bucket, which is
// included: 20 µs, and from each to the next a factor of 2 to the power of 1/4,
// so that a quantile read from buckets is at most 19 % off.
func LatencyBucket(i int) float64 { return latencyFirstMicros * math.Pow(2, float64(i)/4) }

const latencyFirstMicros = 20

// LatencyBucketOf gives the bucket of a duration.
func LatencyBucketOf(took time.Duration) int {
	micros := float64(took) / float64(time.Microsecond)
	if micros <= latencyFirstMicros {
		return 0
	}
	return min(int(math.Ceil(4*math.Log2(micros/latencyFirstMicros)-1e-9)), LatencyBuckets-1)
}

// Requests counts answered client requests since the start.
type Requests struct {
	Updates uint64 `json:"updates"`
	Reads   uint64 `json:"reads"`
	Failed  uint64 `json:"failed"`
}

// Actions of a [RoleControl].
const (
	ActionCrash   = "crash"   // drop memory and unsynced bytes
	ActionRestart = "restart" // come back from the disk
	ActionPause   = "pause"   // stop taking messages, keep memory
	ActionResume  = "resume"
	ActionHeal    = "heal" // end every fault of the role
	ActionWipe    = "wipe" // lose the state too, with the permits of the other replicas, and come back after ForMillis
)

// RoleControl injects or ends a fault of one role.
type RoleControl struct {
	Action string `json:"action"`
	Role   string `json:"role"` // proposer, acceptor, learner, or "all"
	// ForMillis ends the fault by itself; 0 is the configured time to live.
	ForMillis int64  `json:"for_ms,omitempty"`
	Owner     string `json:"owner"` // who asks, for the log
}

// Check reports an action or a role that does not exist.
func (m *RoleControl) Check() error {
	switch m.Action {
	case ActionCrash, ActionRestart, ActionPause, ActionResume, ActionHeal, ActionWipe:
	default:
		return fmt.Errorf("unknown action %q, use crash, restart, pause, resume, heal or wipe", m.Action)
	}
	switch m.Role {
	case "proposer", "acceptor", "learner", "all":
	default:
		return fmt.Errorf("unknown role %q, use proposer, acceptor, learner or all", m.Role)
	}
	if m.ForMillis < 0 {
		return fmt.Errorf("negative duration of %d ms", m.ForMillis)
	}
	return nil
}

// ChaosControl switches the random schedule of faults.
type ChaosControl struct {
	On    bool               `json:"on"`
	Seed  uint64             `json:"seed,omitempty"` // 0 keeps the configured one
	Roles map[string]Failing `json:"roles,omitempty"`
	Owner string             `json:"owner"`
}

// Failing says how often a kind of role fails and for how long.
type Failing struct {
	EveryMillis   int64 `json:"every_ms"`
	DownMinMillis int64 `json:"down_min_ms"`
	DownMaxMillis int64 `json:"down_max_ms"`
}

// Done answers RoleControl, ChaosControl, LinkControl and FaultClear.
type Done struct {
	Text string `json:"text"` // what was done, one sentence
	// Faults are the ids of those that were injected.
	Faults []uint64 `json:"faults,omitempty"`
}

// LogSubscribe asks for log lines now and as they come.
type LogSubscribe struct {
	Level string `json:"level"` // the least: debug, info, warn, error
	// From is the sequence to begin with, as far as it is still kept; 0 begins
	// with what comes next.
	From uint64 `json:"from"`
}

// LogLines carries lines in order.
type LogLines struct {
	Lines []LogLine `json:"lines"`
	// Dropped counts lines left out before the first of these because the
	// subscriber was slow or they were not kept.
	Dropped uint64 `json:"dropped,omitempty"`
}

// LogLine is one event.
type LogLine struct {
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	Level    string    `json:"level"`
	Text     string    `json:"text"` // message and fields, one line
}

// OperatorMessage is any body of an operator's frame.
type OperatorMessage interface {
	Hello | HelloAnswer | StatusSubscribe | Status | RoleControl | ChaosControl | Done | LogSubscribe | LogLines |
		LinkControl | FaultClear | SlotsQuery | Slots | BallotsQuery | Ballots | DigestQuery | Digest
}

func kindOf[M OperatorMessage](message *M) Kind {
	switch any(message).(type) {
	case *Hello:
		return KindHello
	case *HelloAnswer:
		return KindHelloAnswer
	case *StatusSubscribe:
		return KindStatusSubscribe
	case *Status:
		return KindStatus
	case *RoleControl:
		return KindRole
	case *ChaosControl:
		return KindChaos
	case *Done:
		return KindDone
	case *LogSubscribe:
		return KindLogSubscribe
	case *LogLines:
		return KindLogLines
	}
	return kindOfQuestion(message)
}

func kindOfQuestion(message any) Kind {
	switch message.(type) {
	case *LinkControl:
		return KindLink
	case *FaultClear:
		return KindFaultClear
	case *SlotsQuery:
		return KindSlotsQuery
	case *Slots:
		return KindSlots
	case *BallotsQuery:
		return KindBallotsQuery
	case *Ballots:
		return KindBallots
	case *DigestQuery:
		return KindDigestQuery
	case *Digest:
		return KindDigest
	}
	panic(fmt.Sprintf("protocol: %T is no operator's message", message))
}

// AppendJSON appends the whole frame of an operator's message to dst; its kind
// follows from its type. A message above [OperatorBytesMax] is an error, dst is
// then unchanged.
func AppendJSON[M OperatorMessage](dst []byte, request uint64, message *M) ([]byte, error) {
	kind := kindOf(message)
	body, err := json.Marshal(message)
	if err != nil {
		return dst, fmt.Errorf("encode %s: %w", kind, err)
	}
	if len(body) > OperatorBytesMax {
		return dst, fmt.Errorf("encode %s: %d bytes, the limit is %d: send less at once", kind, len(body), OperatorBytesMax)
	}
	return AppendFrame(dst, &Frame{Kind: kind, Request: request, Body: body}), nil
}

// DecodeJSON reads an operator's message from its frame. Fields that are not
// known are ignored. Nothing of the body is kept.
func DecodeJSON[M OperatorMessage](f Frame) (*M, error) {
	message := new(M)
	switch kind := kindOf(message); {
	case f.Kind != kind:
		return nil, fmt.Errorf("%w: %s arrived, %s expected", ErrMalformed, f.Kind, kind)
	case len(f.Body) > OperatorBytesMax:
		return nil, fmt.Errorf("%w %s: %d bytes, the limit is %d", ErrMalformed, kind, len(f.Body), OperatorBytesMax)
	}
	if err := json.Unmarshal(f.Body, message); err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrMalformed, f.Kind, err)
	}
	if lines, ok := any(message).(*LogLines); ok && len(lines.Lines) > LogLinesMax {
		return nil, fmt.Errorf("%w %s: %d lines, the limit is %d", ErrMalformed, f.Kind, len(lines.Lines), LogLinesMax)
	}
	return message, nil
}
