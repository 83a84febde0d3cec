package client

import (
	"context"
	"log/slog"
	"net"
	"time"

	"synod/core/config"
	"synod/core/mutant"
	"synod/core/paxos"
	"synod/core/session"
	"synod/protocol"
)

// Times of a client.
const (
	// TimeoutDefault is what a call gets whose context has no deadline.
	TimeoutDefault = 2 * time.Second
	// reconnectMin and reconnectMax bound the pause before a replica is dialled
	// again; it doubles and is drawn at random from its upper half.
	reconnectMin = 100 * time.Millisecond
	reconnectMax = 5 * time.Second
	// pauseMin and pauseMax bound the pause before another attempt when every
	// replica has failed once: drawn from 0 to a bound that doubles.
	pauseMin = 50 * time.Millisecond
	pauseMax = 2 * time.Second
	// attemptMin is the least patience with a replica that does not answer.
	attemptMin = 200 * time.Millisecond
	// sessionIdle is how long a session is trusted without use: replicas forget
	// it after an hour.
	sessionIdle = 30 * time.Minute
)

// Endpoint is where a replica is reached.
type Endpoint struct {
	Replica string // "r1" to "r7"
	Address string // host:port
}

// Endpoints gives those of a configuration.
func Endpoints(c *config.Config) []Endpoint {
	endpoints := make([]Endpoint, len(c.Replicas))
	for i, replica := range c.Replicas {
		endpoints[i] = Endpoint{Replica: replica.ID, Address: replica.Client}
	}
	return endpoints
}

// Retry is a client's or a call's policy.
type Retry uint8

// The policies.
const (
	// Safe, the default, repeats whatever may be repeated without harm.
	Safe Retry = iota
	// Never makes one attempt at one replica.
	Never
)

// Late is an answer to a call that had given up. It changes nothing, but it
// tells what became of an update.
type Late struct {
	Replica   string
	Operation string
	// Session and Sequence of an update.
	Session  session.ID
	Sequence uint64
	Outcome  Outcome // Done, or NotSent for a refusal, or Unknown
	Code     protocol.Code
}

// Connector makes the session to a replica; ctx bounds the attempt. The default
// dials TCP and exchanges prefaces; tests connect in memory.
type Connector func(ctx context.Context, endpoint Endpoint, kind protocol.Connection) (*protocol.Session, error)

type settings struct {
	cluster   paxos.ClusterID
	preferred string
	retry     Retry
	timeout   time.Duration
	logger    *slog.Logger
	late      func(Late)
	dial      func(ctx context.Context, address string) (net.Conn, error)
	connect   Connector
	planted   mutant.Set
}

// Option changes a client.
type Option func(*settings)

// WithReplica makes the client prefer a replica as long as it answers.
func WithReplica(replica string) Option { return func(s *settings) { s.preferred = replica } }

// WithRetry sets the policy of all calls.
func WithRetry(retry Retry) Option { return func(s *settings) { s.retry = retry } }

// WithTimeout sets what a call gets whose context has no deadline.
func WithTimeout(timeout time.Duration) Option { return func(s *settings) { s.timeout = timeout } }

// WithCluster makes the client refuse replicas of any other cluster. Without it
// the first replica that answers decides.
func WithCluster(cluster paxos.ClusterID) Option { return func(s *settings) { s.cluster = cluster } }

// WithLogger makes the client log lost and regained connections. The default
// discards.
func WithLogger(logger *slog.Logger) Option { return func(s *settings) { s.logger = logger } }

// WithLate sets what is told of late answers. It runs on the goroutine that
// reads the connection: it must not block and must not call the client.
func WithLate(late func(Late)) Option { return func(s *settings) { s.late = late } }

// WithDial replaces the dialling of TCP.
func WithDial(dial func(ctx context.Context, address string) (net.Conn, error)) Option {
	return func(s *settings) { s.dial = dial }
}

// WithConnector replaces everything below the frames.
func WithConnector(connect Connector) Option { return func(s *settings) { s.connect = connect } }

// WithMutant plants a bug in the sessions, in builds that allow it, so that
// checkers can be tested.
func WithMutant(planted mutant.Set) Option { return func(s *settings) { s.planted = planted } }

type callSettings struct {
	at      string
	retry   Retry
	mode    protocol.ReadMode
	after   []byte
	limit   int
	keyOnly bool
}

// CallOption changes one call.
type CallOption func(*callSettings)

// At sends the call to this replica and no other.
func At(replica string) CallOption { return func(s *callSettings) { s.at = replica } }

// Retrying sets the policy of one call.
func Retrying(retry Retry) CallOption { return func(s *callSettings) { s.retry = retry } }

// Stale makes a read answer at once with what the replica has applied.
func Stale() CallOption { return func(s *callSettings) { s.mode = protocol.Stale } }

// After makes a scan begin behind this key.
func After(key []byte) CallOption { return func(s *callSettings) { s.after = key } }

// Limit bounds the entries of a scan.
func Limit(entries int) CallOption { return func(s *callSettings) { s.limit = entries } }

// KeysOnly leaves the values out of a scan.
func KeysOnly() CallOption { return func(s *callSettings) { s.keyOnly = true } }
