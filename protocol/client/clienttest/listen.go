package clienttest

import (
	"context"
	"errors"
	"fmt"
	"net"

	"synod/core/paxos"
	"synod/protocol"
	"synod/protocol/client"
)

// ClusterID is the id that the replicas of [Cluster.Listen] state.
const ClusterID = "clienttest-id-16"

// Listen makes the replicas reachable over TCP on the loopback, with prefaces
// and yamux, until ctx ends, and gives their addresses.
func (c *Cluster) Listen(ctx context.Context) ([]client.Endpoint, error) {
	var endpoints []client.Endpoint
	for _, r := range c.replicas {
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("listen for %s: %w", r.number, err)
		}
		context.AfterFunc(ctx, func() { _ = listener.Close() })
		c.group.Go(func() { r.accept(listener) })
		endpoints = append(endpoints, client.Endpoint{Replica: r.number.String(), Address: listener.Addr().String()})
	}
	return endpoints, nil
}

func (r *Replica) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		r.cluster.group.Go(func() {
			s, err := r.welcome(conn)
			if err != nil {
				_ = conn.Close() // the caller sees that it is closed
				return
			}
			r.serve(s)
		})
	}
}

func (r *Replica) welcome(conn net.Conn) (*protocol.Session, error) {
	self := protocol.Identity{
		Cluster: paxos.ClusterID([]byte(ClusterID)), Replica: r.number, Incarnation: 1,
		Replicas: len(r.cluster.replicas),
	}
	preface, err := protocol.ReceivePreface(conn)
	if err != nil {
		return nil, err
	}
	if refusal := preface.Refusal(self); refusal != nil {
		return nil, errors.Join(refusal, protocol.AnswerPreface(conn, protocol.Refusing(self, refusal)))
	}
	if err := protocol.AnswerPreface(conn, preface.Accepting(self)); err != nil {
		return nil, err
	}
	s, err := protocol.NewSession(conn, false, protocol.SessionOptions{Connection: preface.Connection})
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dials++
	if r.down {
		s.Abort(errDown)
		return nil, errDown
	}
	r.sessions = append(r.sessions, s)
	return s, nil
}
