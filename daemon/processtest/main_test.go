package processtest

import (
	"fmt"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	remove, err := BuildPrograms()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// soak reports whether the full counts are wanted.
func soak() bool { return os.Getenv("SYNOD_SOAK") != "" }

// pick chooses a count: for -short, for every day, and for the full ordeal.
func pick[T any](short, usual, full T) T {
	switch {
	case soak():
		return full
	case testing.Short():
		return short
	default:
		return usual
	}
}

// long leaves a test out of the shortest set.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() && !soak() {
		t.Skip("left out with -short")
	}
}

// judge reads what all replicas hold, and fails the test if anything in the history is wrong.
func judge(t *testing.T, c *Cluster, h *History) {
	t.Helper()
	c.ReadAll(h)
	t.Log(h)
	if err := h.Check(); err != nil {
		t.Fatal(err)
	}
}
