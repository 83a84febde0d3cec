package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"synod/protocol/client"
)

// The files of a replica that does not run can be looked into: what they hold, and why they are refused.
func TestInspect(t *testing.T) {
	folder, parsed := singleCluster(t)
	replica := []string{"--replica", "r1"}
	inspect := func(code int, words string, arguments ...string) string {
		t.Helper()
		return wantEnd(t, code, words, synodd(t, folder, append(append([]string{"inspect"}, arguments...), replica...)...))
	}
	inspect(exitUsage, "no identity", "wal")
	wantEnd(t, 0, "cluster id ", synodd(t, folder, "init"))
	first := synodd(t, folder, replica...)
	first.waitFor("msg=ready")
	c, err := client.Open(context.Background(), client.Endpoints(parsed), client.WithTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	info := must[client.Info](t)(c.Put(context.Background(), []byte("color"), []byte("red")))
	inspect(exitInUse, "in use by pid", "wal")
	if err := first.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	first.end()
	out := inspect(0, "the log is whole: the acceptor votes", "wal")
	for _, words := range []string{
		"r1 of cluster", "incarnation 1", "promised ballot", "000000000001.segment", "whole",
		"applied state: complete through slot",
	} {
		if !strings.Contains(out, words) {
			t.Errorf("inspect wal does not say %q:\n%s", words, out)
		}
	}
	if info.Slot == 0 {
		t.Fatal("the put has no slot")
	}
	out = inspect(0, `key "color" value of 3 bytes`, "slot", fmt.Sprint(info.Slot))
	for _, words := range []string{"voted in ballot", "chosen, as slots", "is in it"} {
		if !strings.Contains(out, words) {
			t.Errorf("inspect slot does not say %q:\n%s", words, out)
		}
	}
	inspect(exitUsage, "give a number", "slot", "first")
	segments, err := filepath.Glob(filepath.Join(folder, "data/r1/acceptor/*.segment"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	data, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	data[180] ^= 1
	if err := os.WriteFile(segments[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	out = inspect(exitDamaged, "what to do: start the replica", "wal")
	for _, words := range []string{"log is damaged", "000000000001.segment", "offset", "expected", "synodd recover"} {
		if !strings.Contains(out, words) {
			t.Errorf("inspect of a damaged log does not say %q:\n%s", words, out)
		}
	}
}
