package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// plantedDaemon builds replicas that can be given a bug.
func plantedDaemon(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "synodd")
	build := exec.Command("go", "build", "-tags", "mutants", "-o", file, "synod/daemon")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}
	return file
}

// TestLoadFindsAPlantedBug: replicas that answer a GET from their own store, without asking a majority, and one of which
// hears everything late. The load tells VIOLATION and shows a shortest failing history. Without the bug the same load on
// the same slow links stays OK.
func TestLoadFindsAPlantedBug(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("left out with -short")
	}
	daemon := plantedDaemon(t)
	batch := strings.Join([]string{
		"wait leader timeout=20s", "crash r5.proposer", "wait leader timeout=20s",
		"delay r1 r5 20ms oneway=yes", "delay r2 r5 20ms oneway=yes", "delay r3 r5 20ms oneway=yes", "delay r4 r5 20ms oneway=yes",
		"load start contended clients=12 time=0s", "sleep 3s", "load stop", "load save", "",
	}, "\n")
	for _, planted := range []bool{true, false} {
		data := filepath.Join(t.TempDir(), "data")
		x := invocation{
			dir: t.TempDir(), stdin: batch,
			args: []string{"up", "--random-ports", "--synodd", daemon, "--data", data, "--yes", "-f", "-"},
		}
		if planted {
			x.env = []string{"SYNOD_MUTANT=M27b"}
		}
		got := synod(t, x)
		said := got.stdout + got.stderr
		if !planted {
			if got.code != 0 || !strings.Contains(said, "linearizability: OK: ") {
				t.Errorf("without the bug: exit code %d\n%s", got.code, said)
			}
			continue
		}
		if got.code != 5 || !strings.Contains(said, "VIOLATION") || !strings.Contains(said, "no order of these operations on key") {
			t.Fatalf("with the bug: exit code %d\n%s", got.code, said)
		}
		for _, pattern := range []string{"load-*.jsonl", "load-*.html"} {
			if found, err := filepath.Glob(filepath.Join(data, "logs", pattern)); err != nil || len(found) != 1 {
				t.Errorf("%s: found %v, %v", pattern, found, err)
			}
		}
	}
}
