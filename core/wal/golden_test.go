package wal

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/operations.txt anew")

// The file operations of a log's life, in order, are the whole of its durability: what is written and synced before
// what gets its name. The transcript is made to be read and to be reviewed as a diff.
func TestOperationsGolden(t *testing.T) {
	var b strings.Builder
	options := testOptions(&disk{FS: vfs.NewCrashableMem(), before: func(a act) error {
		fmt.Fprintf(&b, "    %v\n", a)
		return nil
	}})
	s := &script{options: options}
	for i, op := range strings.Fields("create append sync append append sync big sync abandon open append append " +
		"abandon open close open append release big sync") {
		fmt.Fprintf(&b, "%s\n", op)
		must(t, s.step(op, i))
	}
	const file = "testdata/operations.txt"
	if *rewrite {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(file, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if got := b.String(); got != string(want) {
		t.Errorf("the operations differ from %s; if that is meant, run\n  go test ./core/wal -run %s -rewrite\n"+
			"and review the diff. Got:\n%s", file, t.Name(), got)
	}
}
