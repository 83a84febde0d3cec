package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"synod/core/paxos"
)

func testIdentity() Identity {
	return Identity{Cluster: goldenCluster(), Replica: 3, Incarnation: 2, Run: 9, Replicas: 5}
}

// answer runs the listener's side once.
func answer(conn net.Conn, self Identity) (Preface, error) {
	p, err := ReceivePreface(conn)
	if err != nil {
		return p, err
	}
	if refusal := p.Refusal(self); refusal != nil {
		return p, AnswerPreface(conn, Refusing(self, refusal))
	}
	return p, AnswerPreface(conn, p.Accepting(self))
}

func TestGreeting(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	got := make(chan Preface, 1)
	go func() {
		defer far.Close()
		p, err := answer(far, testIdentity())
		if err != nil {
			t.Error(err)
		}
		got <- p
		if _, err := far.Write([]byte("first bytes after it")); err != nil {
			t.Error(err)
		}
	}()
	p := Preface{Low: 1, High: 3, Connection: Client, To: 3}
	w, err := Greet(near, p)
	if err != nil || w.Cluster != goldenCluster() || w.Replica != 3 || w.Version != 1 ||
		w.FrameBytesMax != ClientFrameBytesMax {
		t.Errorf("welcome %+v, %v", w, err)
	}
	if q := <-got; q != p {
		t.Errorf("preface %+v arrived as %+v", p, q)
	}
	rest := make([]byte, 20)
	if n, err := near.Read(rest); err != nil || string(rest[:n]) != "first bytes after it" {
		t.Errorf("after the preface came %q, %v", rest[:n], err)
	}
}

func TestRefusals(t *testing.T) {
	peer := Preface{Low: 1, High: 1, Connection: PeerConsensus, Replica: 2, To: 3, Cluster: goldenCluster()}
	change := func(f func(*Preface)) Preface {
		p := peer
		f(&p)
		return p
	}
	for _, test := range []struct {
		name    string
		preface Preface
		code    Code // 0: accepted
		text    string
	}{
		{"peer", peer, 0, ""},
		{"client of any cluster", Preface{Low: 1, High: 1, Connection: Client}, 0, ""},
		{"later version", change(func(p *Preface) { p.Low, p.High = 2, 4 }), CodeVersion, "versions 1 to 1"},
		{"kind", change(func(p *Preface) { p.Connection = 9 }), CodeVersion, "connection(9)"},
		{"other replica", change(func(p *Preface) { p.To = 4 }), CodeDenied, "this is r3, not r4"},
		{"other cluster", change(func(p *Preface) { p.Cluster[0]++ }), CodeDenied, "a1a1a2"},
		{"no cluster", change(func(p *Preface) { p.Cluster = paxos.ClusterID{} }), CodeDenied, "of cluster"},
		{"no number", change(func(p *Preface) { p.Replica = 0 }), CodeDenied, "r1 to r5"},
		{"high number", change(func(p *Preface) { p.Replica = 6 }), CodeDenied, "r1 to r5"},
		{"myself", change(func(p *Preface) { p.Replica = 3 }), CodeDenied, "--replica"},
		{"client with a number", change(func(p *Preface) { p.Connection = Client }), CodeDenied, "no replica"},
	} {
		refusal := test.preface.Refusal(testIdentity())
		if (refusal == nil) != (test.code == 0) {
			t.Errorf("%s: %v", test.name, refusal)
			continue
		}
		if refusal == nil {
			continue
		}
		near, far := net.Pipe()
		answered := make(chan error, 1)
		go func() {
			_, err := answer(far, testIdentity())
			answered <- err
		}()
		_, err := Greet(near, test.preface)
		if err := <-answered; err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		var failure *Error
		if !errors.As(err, &failure) || failure.Code != test.code || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: the caller is told %v, want %s with %q", test.name, err, test.code, test.text)
		}
		near.Close()
		far.Close()
	}
}

func TestPrefaceNonsense(t *testing.T) {
	good := (&Preface{Low: 1, High: 1, Connection: Client}).Append(nil)
	longer := append(bytes.Clone(good[:len(good)-crc32.Size]), "a field of a later version"...)
	binary.BigEndian.PutUint16(longer[4:], uint16(len(longer)-prefaceHeadBytes+crc32.Size))
	longer = binary.BigEndian.AppendUint32(longer, crc32.Checksum(longer, castagnoli))
	if p, err := DecodePreface(longer); err != nil || p.Connection != Client {
		t.Errorf("a longer preface of a later version gave %+v, %v", p, err)
	}
	flipped := bytes.Clone(good)
	flipped[20] ^= 1
	for name, test := range map[string]struct {
		raw  []byte
		want error
	}{
		"http":     {[]byte("GET / HTTP/1.1\r\n"), ErrNotSynod},
		"cut off":  {good[:30], ErrPreface},
		"nothing":  {nil, ErrPreface},
		"damaged":  {flipped, ErrPreface},
		"too long": {append([]byte("SYND\xff\xff"), make([]byte, 70000)...), ErrPreface},
		"empty":    {[]byte("SYND\x00\x00"), ErrPreface},
	} {
		near, far := net.Pipe()
		go func() {
			_, _ = near.Write(test.raw) // the other side may hang up in the middle
			near.Close()
		}()
		if _, err := ReceivePreface(far); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		far.Close()
	}
}

func TestHandshakeHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, wait := range map[string]func(net.Conn) error{
			"listener": func(c net.Conn) error { _, err := ReceivePreface(c); return err },
			"dialler":  func(c net.Conn) error { _, err := Greet(c, Preface{Low: 1, High: 1}); return err },
		} {
			near, far := net.Pipe()
			start := time.Now()
			if err := wait(near); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(start); took != HandshakeTimeout {
				t.Errorf("%s: it waited %s", name, took)
			}
			near.Close()
			far.Close()
		}
	})
}
