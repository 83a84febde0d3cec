package processtest

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"synod/core/paxos"
	"synod/protocol"
)

// residentGrowthMax is how much a daemon's memory may grow under strangers: far less than what one of their frames
// claims, and more than what the collector leaves lying about.
const residentGrowthMax = 64 << 20

// stranger is one kind of malformed input.
type stranger struct {
	name  string
	greet bool // exchange prefaces first
	mux   bool // send the bytes on a stream of a session, not on the connection
	send  []byte
	cut   bool // end the session behind the bytes
	hold  bool // keep the connection open until the daemon ends it
	words []string
}

// frameOf is a frame's header with any length, and some bytes.
func frameOf(length uint32, kind uint16, rest ...byte) []byte {
	header := binary.BigEndian.AppendUint32(nil, length)
	header = binary.BigEndian.AppendUint16(header, kind)
	return append(append(header, make([]byte, protocol.HeaderBytes-6)...), rest...)
}

func strangers() []stranger {
	const closed = "malformed input, connection closed"
	whole := protocol.Preface{Low: 1, High: 1, Connection: protocol.Client}
	preface := whole.Append(nil)
	wrongSum := append([]byte(nil), preface...)
	wrongSum[len(wrongSum)-1]++
	get := protocol.Get{Key: []byte("k")}
	damaged := get.Append(nil, protocol.Frame{Kind: protocol.KindGet, Request: 1})
	damaged[len(damaged)-1]++
	noise := []byte("\x00\xff\x1b[31m\x07" + strings.Repeat("\xa5\x5a", 200))
	return []stranger{
		{
			name: "another protocol", send: []byte("GET / HTTP/1.1\r\n\r\n"),
			words: []string{closed, "no preface", "GET ", "length"},
		},
		{name: "noise", send: noise, words: []string{closed, "no preface", "length"}},
		{name: "a preface cut off", send: preface[:20], words: []string{closed, "length 51, 20 bytes arrived"}},
		{name: "a preface that claims 65535 bytes", send: []byte("SYND\xff\xff"), words: []string{closed, "length 65535"}},
		{name: "a preface with a wrong checksum", send: wrongSum, words: []string{closed, "checksum", "length 51"}},
		{
			name: "a half-open handshake", send: []byte("SY"), hold: true,
			words: []string{closed, "2 bytes arrived", "timeout"},
		},
		{name: "noise after the handshake", greet: true, send: noise, words: []string{closed, "length"}},
		{
			name: "a frame that claims 4 GiB", greet: true, mux: true, send: frameOf(0xffffffff, 0x103),
			words: []string{closed, "length 4294967295", "limit"},
		},
		{name: "a frame of length zero", greet: true, mux: true, send: frameOf(0, 0), words: []string{closed, "length zero"}},
		{
			name: "a truncated frame", greet: true, mux: true, cut: true, send: frameOf(500, 0x103, 1, 2, 3),
			words: []string{closed, "cut off", "length 500"},
		},
		{name: "a damaged frame", greet: true, mux: true, send: damaged, words: []string{closed, "checksum", "length"}},
		{
			name: "a request that is none", greet: true, mux: true, words: []string{closed, "length"},
			send: protocol.AppendFrame(nil, &protocol.Frame{Kind: protocol.KindGet, Request: 1, Body: []byte{0xff}}),
		},
		{
			name: "an unknown kind", greet: true, mux: true, words: []string{closed, "length"},
			send: protocol.AppendFrame(nil, &protocol.Frame{Kind: 0x7777, Request: 1}),
		},
	}
}

func TestStrangersAreToldAndHurtNobody(t *testing.T) {
	c := NewCluster(t, Options{})
	const id = "r2"
	r, _ := c.Config.Replica(id)
	load := c.StartLoad(LoadOptions{Clients: 8, Pause: 2 * time.Millisecond})
	load.AwaitWrites(100)
	before := c.Resident(id)
	var waiting sync.WaitGroup
	for _, s := range strangers() {
		client := func() { s.visit(t, c, id, r.Client, protocol.Client) }
		peer := func() { s.visit(t, c, id, r.Peer, protocol.PeerConsensus) }
		if s.hold {
			waiting.Go(client)
			waiting.Go(peer)
		} else {
			client()
			peer()
		}
	}
	waiting.Wait()
	waiting.Go(func() { flood(t, r.Client) })
	waiting.Go(func() { flood(t, r.Peer) })
	waiting.Wait()
	load.AwaitWrites(100)
	if growth := c.Resident(id) - before; growth > residentGrowthMax {
		t.Errorf("%s has grown by %d MiB under strangers, from %d MiB", id, growth>>20, before>>20)
	} else {
		t.Logf("%s has grown by %d MiB under strangers, from %d MiB", id, growth>>20, before>>20)
	}
	h := load.Stop()
	judge(t, c, h)
	for i := range h.Operations {
		if o := &h.Operations[i]; o.Outcome != Done {
			t.Errorf("failed because of strangers: %v", o)
		}
	}
}

// visit sends the stranger's bytes to a port, and wants one readable line about it, and the end of the connection.
func (s *stranger) visit(t *testing.T, c *Cluster, id, address string, kind protocol.Connection) {
	t.Helper()
	behind := len(c.Output(id))
	conn, err := net.DialTimeout("tcp", address, Patience)
	if err != nil {
		t.Errorf("%s: %v", s.name, err)
		return
	}
	defer func() { _ = conn.Close() }()
	if s.greet {
		if err := greet(c, conn, kind); err != nil {
			t.Errorf("%s: greet as %s: %v", s.name, kind, err)
			return
		}
	}
	if s.mux {
		s.frames(t, conn, kind)
	} else {
		_, _ = conn.Write(s.send) // it may be cut at the first bytes
		if !s.hold {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
		if err := ended(conn); err != nil {
			t.Errorf("%s to the port for %s: %v", s.name, kind, err)
		}
	}
	words := append([]string{conn.LocalAddr().String()}, s.words...)
	line, found := c.findOutput(id, behind, words)
	if !found {
		t.Errorf("%s to the port for %s: no line with %q:\n%s", s.name, kind, words, c.Output(id)[behind:])
		return
	}
	for _, char := range strings.TrimSuffix(line, "\n") {
		if char < ' ' || char == 0x7f {
			t.Errorf("%s: control characters in the line %q", s.name, line)
			break
		}
	}
	count := 0
	for other := range strings.Lines(c.Output(id)[behind:]) {
		if strings.Contains(other, conn.LocalAddr().String()) {
			count++
		}
	}
	if count != 1 {
		t.Errorf("%s: %d lines about one connection:\n%s", s.name, count, c.Output(id)[behind:])
	}
}

// greet exchanges prefaces as a client, or as a replica that dials.
func greet(c *Cluster, conn net.Conn, kind protocol.Connection) error {
	p := protocol.Preface{Low: 1, High: 1, Connection: kind}
	if kind.Peer() {
		// Bulk, because nobody else uses it now: the consensus link of r1 must stay.
		p.Connection, p.Replica, p.Incarnation, p.Run = protocol.PeerBulk, 1, 1, 77
		raw, err := hex.DecodeString(c.ClusterID)
		if err != nil {
			return err
		}
		var cluster paxos.ClusterID
		copy(cluster[:], raw)
		p.Cluster = cluster
	}
	_, err := protocol.Greet(conn, p)
	return err
}

// frames sends the bytes on a stream, and waits for the end of the session.
func (s *stranger) frames(t *testing.T, conn net.Conn, kind protocol.Connection) {
	t.Helper()
	purpose := protocol.PurposeRequests
	if kind.Peer() {
		kind, purpose = protocol.PeerBulk, protocol.PurposeBulk
	}
	session, err := protocol.NewSession(conn, true, protocol.SessionOptions{Connection: kind})
	if err != nil {
		t.Errorf("%s: %v", s.name, err)
		return
	}
	defer func() { _ = session.Close() }()
	stream, err := session.Open(purpose)
	if err == nil {
		_, err = stream.Write(protocol.AppendFrame(nil, &protocol.Frame{Kind: protocol.KindPing, Request: 1}))
	}
	if err == nil {
		_, err = stream.Next() // the answer: the stream is in use at the other side
	}
	if err == nil {
		_, err = stream.Write(s.send)
	}
	if err != nil {
		t.Errorf("%s: %v", s.name, err)
		return
	}
	if s.cut {
		_ = session.Close()
	}
	select {
	case <-session.Done():
	case <-time.After(Patience):
		t.Errorf("%s: the session does not end", s.name)
	}
}

// ended waits until the other side has closed a connection; what it says before does not matter.
func ended(conn net.Conn) error {
	if err := conn.SetReadDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, conn)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return errors.New("the connection is not closed")
	}
	return nil
}

// flood is many strangers at once: silent ones, slow ones, and noise.
func flood(t *testing.T, address string) {
	t.Helper()
	var all []net.Conn
	for i := range 300 {
		conn, err := net.DialTimeout("tcp", address, Patience)
		if err != nil {
			t.Error(err)
			break
		}
		all = append(all, conn)
		if i%3 == 0 {
			_, _ = conn.Write([]byte{'S'})
		}
		if i%3 == 1 {
			_, _ = conn.Write([]byte(strings.Repeat("noise", 10_000)))
		}
	}
	slow := time.NewTicker(time.Second)
	defer slow.Stop()
	for _, char := range []byte("YND\x00") {
		<-slow.C
		for i := 0; i < len(all); i += 3 {
			_, _ = all[i].Write([]byte{char})
		}
	}
	for _, conn := range all {
		if err := ended(conn); err != nil {
			t.Errorf("a slow stranger at %s: %v", address, err)
		}
		_ = conn.Close()
	}
}
