package kv_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"synod/core/kv"
	"synod/core/session"
)

var (
	testUpdate = kv.Update{Session: session.ID{Slot: 300, Index: 2}, Sequence: 9, Low: 7}
	testToken  = session.Token{1, 2, 3, 15: 0xff}
)

// TestCommandBytes pins the bytes that lie in logs. They may grow, never change.
func TestCommandBytes(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes []byte
		want  string
	}{
		{"put", kv.AppendPut(nil, testUpdate, []byte("key"), []byte("value")), "01ac0202090203" + "6b6579" + "76616c7565"},
		{"delete", kv.AppendDelete(nil, testUpdate, []byte("key")), "02ac0202090203" + "6b6579"},
		{"open", kv.AppendOpen(nil, testToken), "03" + "010203000000000000000000000000ff"},
		{"close", kv.AppendClose(nil, testUpdate.Session), "04ac0202"},
	} {
		if got := hex.EncodeToString(c.bytes); got != c.want {
			t.Errorf("%s is %s, was always %s", c.name, got, c.want)
		}
		decoded, err := kv.Decode(c.bytes)
		if err != nil || decoded.Op.String() != c.name || !bytes.Equal(decoded.Append(nil), c.bytes) {
			t.Errorf("%s decodes as %+v, error %v", c.name, decoded, err)
		}
		for cut := range len(c.bytes) {
			if c.name == "put" && cut >= len(c.bytes)-len("value") {
				break // a put with a shorter value
			}
			if _, err := kv.Decode(c.bytes[:cut]); !errors.Is(err, kv.ErrMalformed) {
				t.Errorf("%s cut to %d bytes: error %v", c.name, cut, err)
			}
		}
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	for name, data := range map[string]string{
		"close of no session":        "040000",
		"open without token":         "03" + strings.Repeat("00", 16),
		"delete with a value":        "02ac0202090203" + "6b657976",
		"sequence 0":                 "01ac02020000016b",
		"low 0":                      "01ac02020909016b",
		"key longer than all":        "01ac020209020a6b",
		"key length of 2^64-1":       "01ac02020902ffffffffffffffffff016b",
		"number without end":         "01" + strings.Repeat("ff", 12),
		"session index above 32 bit": "04ac02ffffffff7f",
	} {
		raw, err := hex.DecodeString(data)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := kv.Decode(raw); !errors.Is(err, kv.ErrMalformed) {
			t.Errorf("%s: %+v, error %v", name, c, err)
		}
	}
	if _, err := kv.Decode([]byte{99, 1, 2}); !errors.Is(err, kv.ErrUnknownOperation) {
		t.Errorf("operation 99: error %v", err)
	}
}

func TestLimitsAreCheckedAtTheEdge(t *testing.T) {
	put := func(key, value int) []byte {
		return kv.AppendPut(nil, testUpdate, bytes.Repeat([]byte{'k'}, key), make([]byte, value))
	}
	for _, c := range []struct {
		command []byte
		want    error
	}{
		{put(1, 0), nil},
		{put(kv.KeyBytesMax, kv.ValueBytesMax), nil},
		{put(0, 1), kv.ErrEmptyKey},
		{put(kv.KeyBytesMax+1, 0), kv.ErrTooLarge},
		{put(1, kv.ValueBytesMax+1), kv.ErrTooLarge},
		{kv.AppendOpen(nil, testToken), nil},
		{nil, kv.ErrMalformed},
	} {
		if err := kv.Check(c.command); !errors.Is(err, c.want) {
			t.Errorf("%d bytes: error %v, want %v", len(c.command), err, c.want)
		}
	}
	for _, u := range []kv.Update{
		{},
		{Session: session.ID{Slot: 1}},
		{Session: session.ID{Slot: 1}, Sequence: 1, Low: 2},
		{Session: session.ID{Index: 1}, Sequence: 1, Low: 1},
		{Session: session.ID{Slot: 1}, Sequence: 1 << 63, Low: 1},
	} {
		if err := u.Check(); !errors.Is(err, kv.ErrMalformed) {
			t.Errorf("%+v: error %v", u, err)
		}
	}
}

func TestDigestLeavesOutLow(t *testing.T) {
	digest := func(command []byte) uint64 {
		c, err := kv.Decode(command)
		if err != nil {
			t.Fatal(err)
		}
		return c.Digest()
	}
	later := testUpdate
	later.Low = later.Sequence
	same := digest(kv.AppendPut(nil, testUpdate, []byte("key"), []byte("value")))
	if digest(kv.AppendPut(nil, later, []byte("key"), []byte("value"))) != same {
		t.Error("a higher low makes another command")
	}
	for _, other := range [][]byte{
		kv.AppendPut(nil, testUpdate, []byte("keyv"), []byte("alue")),
		kv.AppendPut(nil, testUpdate, []byte("key"), []byte("valuE")),
		kv.AppendDelete(nil, testUpdate, []byte("keyvalue")),
	} {
		if digest(other) == same {
			t.Errorf("%x has the same digest", other)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(kv.AppendPut(nil, testUpdate, []byte("key"), []byte("value")))
	f.Add(kv.AppendDelete(nil, testUpdate, []byte("key")))
	f.Add(kv.AppendOpen(nil, testToken))
	f.Add(kv.AppendClose(nil, testUpdate.Session))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := kv.Decode(data)
		if err != nil {
			if !errors.Is(err, kv.ErrMalformed) && !errors.Is(err, kv.ErrUnknownOperation) {
				t.Fatalf("error %v", err)
			}
			return
		}
		again, err := kv.Decode(c.Append(nil))
		if err != nil || again.Digest() != c.Digest() || again.Update != c.Update || again.Token != c.Token {
			t.Fatalf("%+v decodes again as %+v, error %v", c, again, err)
		}
	})
}

func FuzzReadCommands(f *testing.F) {
	f.Add(kv.AppendBatchCommand(kv.AppendBatchHeader(nil, 12), kv.AppendOpen(nil, testToken)))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, value []byte) {
		commands := kv.ReadCommands(value)
		again := kv.AppendBatchHeader(nil, int64(commands.WallMillis()))
		for commands.Next() {
			again = kv.AppendBatchCommand(again, commands.Command())
		}
		// A length may be written in more bytes than it needs, never in fewer.
		if commands.Err() == nil && len(value) != 0 && len(again) > len(value) {
			t.Fatalf("%x became %x", value, again)
		}
	})
}
