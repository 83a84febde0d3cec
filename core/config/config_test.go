package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/cockroachdb/datadriven"
)

// three is the least useful file: three replicas, everything else by default.
const three = `[replicas.r1]
client = "127.0.0.1:7101"
peer = "127.0.0.1:7201"
[replicas.r2]
client = "127.0.0.1:7102"
peer = "127.0.0.1:7202"
[replicas.r3]
client = "127.0.0.1:7103"
peer = "127.0.0.1:7203"
`

func TestShippedFileIsValid(t *testing.T) {
	c, err := Load("../../config.toml", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.ReplicaIDs(), " "); got != "r1 r2 r3 r4 r5" || c.Majority() != 3 {
		t.Errorf("replicas %s, majority %d", got, c.Majority())
	}
	if !c.Faults.Enabled || c.Faults.Random.On || c.UDP.Enabled {
		t.Error("the demo allows faults, starts without random ones and has no datagrams")
	}
	if got := c.Faults.Random.Acceptor.Down; got != (Span{500 * time.Millisecond, 3 * time.Second}) {
		t.Errorf("down is %v", got)
	}
	if c.ReplicaDir("r3") != filepath.Join("data", "r3") || c.LogFile("client") != filepath.Join("logs", "client.log") {
		t.Errorf("paths: %s, %s", c.ReplicaDir("r3"), c.LogFile("client"))
	}
}

func TestDefaultsAndTicks(t *testing.T) {
	c, err := Parse(Source{Name: "config.toml", Text: []byte(three)})
	if err != nil {
		t.Fatal(err)
	}
	if c.Consensus.HeartbeatTicks() != 5 || c.Consensus.ElectionTicks() != 60 {
		t.Errorf("ticks: %d and %d", c.Consensus.HeartbeatTicks(), c.Consensus.ElectionTicks())
	}
	c.Consensus.Heartbeat = 51 * time.Millisecond
	if c.Consensus.HeartbeatTicks() != 6 {
		t.Error("a part of a tick must count as a whole one")
	}
	if c.Faults.Enabled {
		t.Error("faults must be off unless the file asks for them")
	}
	if r, ok := c.Replica("r2"); !ok || r.Number != 2 || r.Peer != "127.0.0.1:7202" {
		t.Errorf("r2 is %+v", r)
	}
	if _, ok := c.Replica("r4"); ok {
		t.Error("r4 does not exist")
	}
}

func TestPrecedenceAndExplain(t *testing.T) {
	text := three + "[storage]\ndir = \"a\"\nsegment = \"32MiB\"\n[log]\ndir = \"a\"\n"
	c, err := Parse(Source{
		Name: "config.toml", Text: []byte(text),
		Environ: []string{"SYNOD_STORAGE_DIR=b", "SYNOD_LOG_DIR=b", "SYNOD_CONSOLE_THEME=dark", "HOME=/"},
		Flags:   map[string]string{"log.dir": "c"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][2]string{
		"log.dir":           {"c", "flag log.dir"},
		"storage.dir":       {"b", "environment SYNOD_STORAGE_DIR"},
		"storage.segment":   {"32MiB", "config.toml:12"},
		"consensus.window":  {"16", "default"},
		"faults.ttl":        {"10m", "default"},
		"replicas.r2.peer":  {"127.0.0.1:7202", "config.toml:6"},
		"replicas.r2.http":  {},
		"consensus.batch":   {"256KiB", "default"},
		"log.requests":      {"sampled", "default"},
		"faults.random.on":  {"false", "default"},
		"consensus.tick":    {"10ms", "default"},
		"cluster.name":      {"synod", "default"},
		"replicas.r4.peer":  {},
		"faults.max_lost":   {"1", "default"},
		"faults.random.off": {},
	}
	got := map[string][2]string{}
	for _, s := range c.Explain() {
		got[s.Key] = [2]string{s.Value, s.Origin}
		if s.Help == "" {
			t.Errorf("%s has no help", s.Key)
		}
	}
	for key, pair := range want {
		if got[key] != pair {
			t.Errorf("%s: have %q, want %q", key, got[key], pair)
		}
	}
}

func TestUnreadableFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "config.toml"), nil, nil)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "--config") {
		t.Errorf("error is %v", err)
	}
}

func TestSingleReplicaHasNoneToLose(t *testing.T) {
	text, _, _ := strings.Cut(three, "[replicas.r2]")
	c, err := Parse(Source{Name: "config.toml", Text: []byte(text)})
	if err != nil || c.Faults.MaxLost != 0 {
		t.Errorf("error %v, max_lost %d", err, c.Faults.MaxLost)
	}
}

// FuzzParse: whatever the file holds, there is a configuration or a list of problems with places in the file.
func FuzzParse(f *testing.F) {
	shipped, err := os.ReadFile("../../config.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(shipped))
	f.Add(three)
	f.Add("a = { b = [1, {c='''x''''}] }\n\"q\\\"\".'r' = \"\"\"\n\\\"\"\"\"\n[[x.y]]\nz=1")
	f.Fuzz(func(t *testing.T, text string) {
		locate(text) // must end on text that is no TOML, too
		c, err := Parse(Source{Name: "f", Text: []byte(text)})
		var problems Problems
		if err == nil {
			c.Explain()
			return
		}
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("error is no list of problems: %v", err)
		}
		lines := strings.Count(text, "\n") + 1
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 {
				t.Errorf("place of %v is not in the file of %d lines", p, lines)
			}
		}
	})
}

// TestProblems runs testdata/problems: `parse` takes the text as it is, `three` adds three good replicas behind it.
func TestProblems(t *testing.T) {
	datadriven.RunTest(t, "testdata/problems", func(t *testing.T, d *datadriven.TestData) string {
		source := Source{Name: "config.toml", Text: []byte(d.Input + "\n"), Flags: map[string]string{}}
		if d.Cmd == "three" {
			source.Text = append(source.Text, three...)
		}
		for _, argument := range d.CmdArgs {
			for _, value := range argument.Vals {
				if argument.Key == "env" {
					source.Environ = append(source.Environ, value)
					continue
				}
				key, text, _ := strings.Cut(value, "=")
				source.Flags[key] = text
			}
		}
		_, err := Parse(source)
		if err == nil {
			d.Fatalf(t, "no problem found")
		}
		return err.Error() + "\n"
	})
}

// TestLocate: the place of every key and value, in every way of writing them.
func TestLocate(t *testing.T) {
	text := "# é [not]\n[a.b] # c\nkey = 'x' # é\n  \"q.k\" . 'l' = \"\"\"\n[no]\n\\\"\"\"\" \ninline = { \"é\" = 1, 'z' = [1, { y = 2 }] }\n" +
		"[[list]]\nn = [\n 1, # ]\n 2 ]\nlast = 1979-05-27T07:32:00Z\n"
	if _, err := toml.Decode(text, new(map[string]any)); err != nil {
		t.Fatal(err)
	}
	found := locate(text)
	for key, want := range map[string]location{
		`a`:              {place{2, 1}, place{2, 1}},
		`a.b`:            {place{2, 1}, place{2, 1}},
		`a.b.key`:        {place{3, 1}, place{3, 7}},
		`a.b."q.k".l`:    {place{4, 3}, place{4, 17}},
		`a.b.inline`:     {place{7, 1}, place{7, 10}},
		`a.b.inline."é"`: {place{7, 12}, place{7, 18}},
		`a.b.inline.z`:   {place{7, 21}, place{7, 27}},
		`a.b.inline.z.y`: {place{7, 33}, place{7, 37}},
		`list`:           {place{8, 1}, place{8, 1}},
		`list.n`:         {place{9, 1}, place{9, 5}},
		`list.last`:      {place{12, 1}, place{12, 8}},
	} {
		if found[key] != want {
			t.Errorf("%s: have %v, want %v", key, found[key], want)
		}
	}
}

// TestUnits: text to value and back.
func TestUnits(t *testing.T) {
	for text, want := range map[string]Size{"0B": 0, "512B": 512, "64MiB": 64 << 20, "1GiB": 1 << 30, "1025KiB": 1025 << 10} {
		got, err := ParseSize(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "B", "64", "64MB", "+1B", "-1B", "1.5KiB", "99999999999GiB", "1 B", "1KiBB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
	for text, want := range map[string]string{"500ms..3s": "500ms..3s", "1m": "1m..1m", "1h .. 24h": "1h..24h"} {
		if got, err := ParseSpan(text); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "..", "1s..", "..1s", "2s..1s", "-1s..1s", "1..2", "1s..2s..3s"} {
		if got, err := ParseSpan(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

// TestNearest: near enough to be meant, and otherwise silence.
func TestNearest(t *testing.T) {
	words := []string{"get", "put", "del", "status", "scan"}
	for word, want := range map[string]string{
		"gte": "get", "gett": "get", "pt": "put", "stauts": "status", "scann": "scan", "x": "", "help": "", "": "",
		strings.Repeat("get", 50): "",
	} {
		if got := Nearest(word, words); got != want {
			t.Errorf("%q: have %q, want %q", word, got, want)
		}
	}
}
