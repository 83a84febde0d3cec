package history

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func open(t *testing.T, name string) *History {
	t.Helper()
	h, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestLinesComeBack(t *testing.T) {
	name := filepath.Join(t.TempDir(), "synod", "history")
	h := open(t, name)
	for _, line := range []string{"a", "a", " secret", "b", "", "a", "two\nlines", strings.Repeat("x", lineBytesMax+1)} {
		if err := h.Append(line); err != nil {
			t.Fatal(err)
		}
	}
	again := open(t, name)
	if got := fmt.Sprint(again.Lines()); got != "[a b a]" {
		t.Errorf("kept %s", got)
	}
	if err := again.Append("a"); err != nil {
		t.Fatal(err)
	}
	if got := len(open(t, name).Lines()); got != 3 {
		t.Errorf("a command that repeats the last one of an earlier session was kept: %d lines", got)
	}
	for path, want := range map[string]os.FileMode{name: 0o600, filepath.Dir(name): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
}

func TestOnlyTheNewestAreKept(t *testing.T) {
	name := filepath.Join(t.TempDir(), "history")
	var text strings.Builder
	for i := range LinesMax + surplusMax + 5 {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if lines := open(t, name).Lines(); len(lines) != LinesMax || lines[LinesMax-1] != "line 2004" {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
	content, err := os.ReadFile(name)
	if err != nil || strings.Count(string(content), "\n") != LinesMax {
		t.Errorf("the file was not shortened: %d lines, %v", strings.Count(string(content), "\n"), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(name), "history-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestSeveralConsolesAppendWholeLines(t *testing.T) {
	name := filepath.Join(t.TempDir(), "history")
	var group sync.WaitGroup
	for console := range 4 {
		h := open(t, name)
		group.Go(func() {
			for i := range 100 {
				if err := h.Append(fmt.Sprintf("put console%d %d", console, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	lines := open(t, name).Lines()
	for _, line := range lines {
		if !strings.HasPrefix(line, "put console") || strings.Count(line, "put") != 1 {
			t.Errorf("mixed line %q", line)
		}
	}
	if len(lines) != 400 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestWithoutAFile(t *testing.T) {
	var h *History
	if h.Append("x") != nil || h.Lines() != nil {
		t.Error("a history that is off does something")
	}
	if _, err := Open(""); err == nil {
		t.Error("no place is no error")
	}
	folder := t.TempDir()
	if _, err := Open(folder); err == nil {
		t.Error("a folder was read as a history")
	}
	if err := open(t, filepath.Join(folder, "x", "history")).Append("x"); err != nil {
		t.Error(err)
	}
}
