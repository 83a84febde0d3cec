package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"synod/console/panel"
	"synod/console/state"
)

// store is a small store in memory that answers a screen's wishes.
type store struct {
	keys   []string
	values map[string]string
	fail   string // kind of error of all answers
	copies []state.KeyCopy
}

func newStore(pairs ...string) *store {
	s := &store{values: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		s.keys = append(s.keys, pairs[i])
		s.values[pairs[i]] = pairs[i+1]
	}
	slices.Sort(s.keys)
	return s
}

// sceneStore is the store of the scene of the design.
func sceneStore() *store {
	s := newStore(
		"cart/77", `{"items":[{"sku":4711,"n":2}],"total":59.9}`, "cart/78", "[]",
		"user/1041", strings.Repeat("x", 128), "user/1042", "Ada Lovelace", "user/1042/mail", "ada@example.org",
		"user/1042/name", "Ada", "user/1042/tags", "\x00\xff\x1b[31mbinary", "user/1043/mail", "bob@example.org",
		"user/7", "x", "session/9", strings.Repeat("long words ", 40),
	)
	s.copies = []state.KeyCopy{
		{Replica: "r1", Answered: true, Applied: 48213, Found: true, Revision: 9, CRC: 0x8f31c2aa},
		{Replica: "r2", Answered: true, Applied: 48213, Found: true, Revision: 9, CRC: 0x8f31c2aa},
		{Replica: "r3", Answered: true, Applied: 48213, Found: true, Revision: 9, CRC: 0x8f31c2aa},
		{Replica: "r4", Answered: true, Applied: 45100, Found: true, Revision: 4, CRC: 0x1b0077d4},
		{Replica: "r5", Err: "connect 127.0.0.1:7105: connection refused"},
	}
	return s
}

func wideStore() *store {
	return newStore("東京/渋谷", "値は値です\n二行目\t終", "a\x1b[2Jb", "\x1b]0;title\x07", "東京/"+strings.Repeat("新", 60), "x")
}

// answer is what a feed would have found out for a wish.
func (s *store) answer(want state.KeysWant) state.Keys {
	source := state.KeySource{Known: true, Replica: "r1", Applied: 48213, At: noon()}
	if s.fail != "" {
		source = state.KeySource{At: noon(), Kind: s.fail, Err: "2 of 5 acceptors answered"}
	}
	keys := state.Keys{Levels: map[string]state.KeyLevel{}}
	keys.Page = state.KeyPage{KeySource: source, Want: want.Page}
	filter, _ := state.LogFilter{}.Search(want.Page.Filter)
	for i, key := range s.keys {
		if s.fail != "" || !strings.HasPrefix(key, want.Page.Prefix) || key <= want.Page.After || !filter.Matches(key) {
			continue
		}
		if len(keys.Page.Rows) == want.Page.Rows {
			keys.Page.More = true
			break
		}
		keys.Page.Rows = append(keys.Page.Rows, state.KeyRow{Key: key, Bytes: len(s.values[key]), Revision: uint64(i + 1)})
	}
	for _, prefix := range want.Levels {
		keys.Levels[prefix] = s.level(prefix, source)
	}
	value, found := s.values[want.Key]
	keys.Value = state.KeyValue{
		KeySource: source, Key: want.Key, Mode: want.Page.Mode, Found: found, Value: []byte(value), Revision: 9,
	}
	if want.Compare.Turn > 0 {
		keys.Compare = state.KeyCompare{Want: want.Compare, Copies: slices.Clone(s.copies), Done: true, At: noon()}
		state.JudgeCopies(keys.Compare.Copies)
	}
	return keys
}

func (s *store) level(prefix string, source state.KeySource) state.KeyLevel {
	level := state.KeyLevel{KeySource: source, Prefix: prefix}
	for _, key := range s.keys {
		below, ok := state.KeyBelow(prefix, key)
		last := len(level.Children) - 1
		switch {
		case !strings.HasPrefix(key, prefix):
		case !ok:
			level.Own++
		case last >= 0 && level.Children[last].Prefix == below:
			level.Children[last].Count++
		default:
			level.Children = append(level.Children, state.KeyChild{Prefix: below, Count: 1})
		}
	}
	return level
}

// keysScreen opens the page on a store and presses keys; after each the store answers.
func keysScreen(t *testing.T, f *fake, s *store, size panel.Size, sequence string) *Model {
	t.Helper()
	m := screen(t, f, size.Width, size.Height)
	keys(m, "5")
	answered(m, f, s)
	pressed(m, f, s, sequence)
	return m
}

func pressed(m *Model, f *fake, s *store, sequence string) {
	for _, key := range parseKeys(sequence) {
		_, cmd := m.Update(key)
		settle(m, cmd)
		answered(m, f, s)
	}
}

// answered lets the store answer until the page wants nothing more.
func answered(m *Model, f *fake, s *store) {
	for range 4 {
		m.View()
		f.keys = s.answer(m.page().want().Keys)
		see(m, f)
	}
}

func TestGoldenKeys(t *testing.T) {
	for _, row := range []struct {
		name, sequence string
		store          func() *store
	}{
		{"keys", "<down><down><down>C", sceneStore},
		{"keys-tree", "<tab><tab><down><down><down><right>", sceneStore},
		{"keys-json", "vv", sceneStore},
		{"keys-wide", "j", wideStore},
		{"keys-failed", "", func() *store { return &store{fail: "no_quorum"} }},
		{"keys-empty", "", func() *store { return newStore() }},
	} {
		for _, size := range []panel.Size{{Width: 120, Height: 36}, {Width: 80, Height: 24}, {Width: 60, Height: 15}, {Width: 40, Height: 10}} {
			t.Run(fmt.Sprintf("%s-%d", row.name, size.Width), func(t *testing.T) {
				m := keysScreen(t, scene(), row.store(), size, row.sequence)
				m.notice = ""
				goldenScreen(t, row.name, m)
			})
		}
	}
}

func keysOf(m *Model) *keysPage { return m.pages[4].(*keysPage) }

// TestEveryKeyOfTheKeys presses each key of the page and looks for what its help says.
func TestEveryKeyOfTheKeys(t *testing.T) {
	for _, row := range []struct{ sequence, key, view string }{
		{"", "cart/77", "all 10"},
		{"j", "cart/78", ""},
		{"<down><down>k", "cart/78", ""},
		{"G", "user/7", ""},
		{"Gg", "cart/77", ""},
		{"<right>", "cart/77", "cart/   2"},
		{"<right><left>", "cart/77", "all keys   10"},
		{"jjjj<right>", "user/1042", "user/   7"},
		{"jjjjj<right><right>", "user/1042/mail", "user/1042/   3"},
		{"v", "cart/77", "[hex]"},
		{"vv", "cart/77", `"sku": 4711`},
		{"vvv", "cart/77", "eyJpdGVtcyI6"},
		{"vvvv", "cart/77", "[text]"},
		{"C", "cart/77", "no answer: connect"},
		{"R", "cart/77", "stale: what r1 has applied"},
		{"RRRRR", "cart/77", "stale from r5"},
		{"RRRRRR", "cart/77", "linearizable: what is true now"},
		{"/mail<enter>", "user/1042/mail", "/mail/"},
		{"/m[<enter>", "user/1042/mail", "no regular expression yet"},
		{"/mail<enter>n", "user/1043/mail", ""},
		{"/mail<enter>nN", "user/1042/mail", ""},
		{"/nothing<enter>", "", "none of"},
		{"p", "cart/77", ": put cart/77 "},
		{"D", "cart/77", ": del cart/77"},
		{"<tab><tab><down>", "cart/77", "cart/   2"},
		{"<tab><tab><down><down><down><right>", "user/1041", "▾ user/"},
		{"<tab><tab><down><down><down><right><left>", "user/1041", "▸ user/"},
		{"<tab><tab><down><left>", "cart/77", "all keys"},
	} {
		t.Run(row.sequence, func(t *testing.T) {
			m := keysScreen(t, scene(), sceneStore(), panel.Size{Width: 120, Height: 36}, row.sequence)
			if got := keysOf(m).key; got != row.key {
				t.Errorf("chosen is %q, want %q", got, row.key)
			}
			if !strings.Contains(m.View(), row.view) {
				t.Errorf("no %q on\n%s", row.view, m.View())
			}
		})
	}
}

// manyKeys are more than a page holds.
func manyKeys(n int) *store {
	var pairs []string
	for i := range n {
		pairs = append(pairs, fmt.Sprintf("k%03d", i), strings.Repeat("row\n", 100))
	}
	return newStore(pairs...)
}

func TestPagesOfKeys(t *testing.T) {
	size := panel.Size{Width: 120, Height: 36}
	rows := 27 // of a page at that size
	for _, row := range []struct {
		sequence string
		key      int
	}{
		{">", rows},
		{">>", 2 * rows},
		{">>>>>>", 3 * rows},
		{">><", rows},
		{"<", 0},
		{"G<down>", rows},
		{">k", rows - 1},
		{">>g", 0},
		{">G", 2*rows - 1},
	} {
		m := keysScreen(t, scene(), manyKeys(100), size, row.sequence)
		if want := fmt.Sprintf("k%03d", row.key); keysOf(m).key != want {
			t.Errorf("%s: chosen is %s, want %s\n%s", row.sequence, keysOf(m).key, want, m.View())
		}
	}
}

// TestTheListKeepsItsPlace: keys that come and go do not move the chosen one; if it goes itself, its neighbour is next.
func TestTheListKeepsItsPlace(t *testing.T) {
	f, s := scene(), sceneStore()
	m := keysScreen(t, f, s, panel.Size{Width: 120, Height: 36}, "jjjj")
	if got := keysOf(m).key; got != "user/1042" {
		t.Fatalf("chosen is %s", got)
	}
	s.keys = append([]string{"a/1", "a/2"}, s.keys...)
	answered(m, f, s)
	if got := keysOf(m).key; got != "user/1042" {
		t.Errorf("two new keys moved the choice to %s", got)
	}
	s.keys = slices.DeleteFunc(s.keys, func(key string) bool { return key == "user/1042" })
	answered(m, f, s)
	if got := keysOf(m).key; got != "user/1042/mail" {
		t.Errorf("the neighbour of a key that has gone is %s", got)
	}
}

func TestValueScrolls(t *testing.T) {
	f, s := scene(), manyKeys(1)
	m := keysScreen(t, f, s, panel.Size{Width: 120, Height: 36}, "<enter>jjj")
	if p := keysOf(m); p.scroll != 3 || m.panes[4] != panel.KeysValue {
		t.Errorf("scrolled by %d, pane %d", p.scroll, m.panes[4])
	}
	if pressed(m, f, s, "G"); keysOf(m).scroll != 99 {
		t.Errorf("the end is at %d", keysOf(m).scroll)
	}
	if pressed(m, f, s, "jjg"); keysOf(m).scroll != 0 {
		t.Errorf("the beginning is at %d", keysOf(m).scroll)
	}
	if pressed(m, f, s, "<enter>"); m.panes[4] != panel.KeysList {
		t.Errorf("pane %d", m.panes[4])
	}
}

// TestOldKeysSayWhy: what was known before a failure stays, and says that it is old and what can be done.
func TestOldKeysSayWhy(t *testing.T) {
	f, s := scene(), sceneStore()
	for _, size := range []panel.Size{{Width: 120, Height: 36}, {Width: 80, Height: 24}} {
		m := keysScreen(t, f, s, size, "")
		f.keys = s.answer(m.page().want().Keys)
		f.keys.Page.Err, f.keys.Page.Kind = "2 of 5 acceptors answered", "no_quorum"
		f.keys.Value.Err, f.keys.Value.Kind = "2 of 5 acceptors answered", "no_quorum"
		see(m, f)
		if n := strings.Count(m.View(), "old, no_quorum: R reads"); n != 2 || !strings.Contains(m.View(), "cart/77") {
			t.Errorf("told %d times on\n%s", n, m.View())
		}
	}
}

func TestDivergenceIsShown(t *testing.T) {
	s := sceneStore()
	s.copies[1].CRC = 1
	m := keysScreen(t, scene(), s, panel.Size{Width: 120, Height: 36}, "C")
	if header, _, _ := strings.Cut(m.View(), "\n"); !strings.Contains(header, "✕ DIVERGENCE r2") {
		t.Errorf("the header says nothing: %s", header)
	}
	if view := m.View(); !strings.Contains(view, "✕ DIVERGENCE") || !strings.Contains(view, "DIVERGENCE: r2 has") {
		t.Errorf("no divergence on\n%s", view)
	}
}

func TestClickOnKeys(t *testing.T) {
	f, s := scene(), sceneStore()
	m := keysScreen(t, f, s, panel.Size{Width: 120, Height: 36}, "")
	at := func(text string) (x, y int) {
		for i, line := range strings.Split(ansi.Strip(m.View()), "\n") {
			if column := strings.Index(line, text); column >= 0 {
				return ansi.StringWidth(line[:column]), i
			}
		}
		t.Fatalf("no %q on\n%s", text, m.View())
		return 0, 0
	}
	click := func(text string, button tea.MouseButton) {
		x, y := at(text)
		m.Update(tea.MouseMsg{X: x, Y: y, Button: button, Action: tea.MouseActionPress})
		answered(m, f, s)
	}
	click("user/1042  ", tea.MouseButtonLeft)
	if got := keysOf(m).key; got != "user/1042" {
		t.Errorf("the click chose %s", got)
	}
	click("user/1042  ", tea.MouseButtonWheelDown)
	if got := keysOf(m).key; got != "user/1042/mail" {
		t.Errorf("the wheel chose %s", got)
	}
	click("session/ ", tea.MouseButtonLeft)
	if p := keysOf(m); p.prefix != "session/" || p.key != "session/9" || m.panes[4] != panel.KeysTree {
		t.Errorf("the tree chose %q, %q, pane %d", p.prefix, p.key, m.panes[4])
	}
}

func TestExportAndCopyOfKeys(t *testing.T) {
	f, s := scene(), sceneStore()
	m := keysScreen(t, f, s, panel.Size{Width: 120, Height: 36}, "jjjjjjj")
	var name, content, copied string
	m.options.Outside.Save = func(file string, bytes []byte) (string, error) {
		name, content = file, string(bytes)
		return file, nil
	}
	m.options.Outside.Copy = func(text string) error { copied = text; return nil }
	pressed(m, f, s, "ec")
	if !strings.HasSuffix(name, ".csv") || !strings.Contains(content, "user/1042/tags,,13,8,r1,48213\n") {
		t.Errorf("%s:\n%s", name, content)
	}
	pressed(m, f, s, "ej")
	want := `{"v":1,"key":"user/1042/tags","bytes":13,"revision":8,"replica":"r1","applied":48213,"stale":false,"value_b64":"AP8bWzMxbWJpbmFyeQ=="}`
	if !strings.HasSuffix(name, ".json") || !strings.Contains(content, want) {
		t.Errorf("%s:\n%s", name, content)
	}
	if pressed(m, f, s, "y"); copied != "user/1042/tags" {
		t.Errorf("copied %q", copied)
	}
	if pressed(m, f, s, "<enter>vy"); copied != "00ff1b5b33316d62696e617279" {
		t.Errorf("copied %q", copied)
	}
}

func TestReadOnlyKeysProposeNothing(t *testing.T) {
	f, s := scene(), sceneStore()
	m := keysScreen(t, f, s, panel.Size{Width: 120, Height: 36}, "")
	m.options.ReadOnly = true
	if pressed(m, f, s, "D"); !m.line.Empty() || m.focus != onPage {
		t.Errorf("a read-only console proposes %q", m.line.Text())
	}
}

func BenchmarkKeys(b *testing.B) {
	f, s := scene(), manyKeys(5000)
	m := New(Options{Source: f})
	m.Update(tea.WindowSizeMsg{Width: 120, Height: 36})
	keys(m, "5")
	answered(m, f, s)
	b.ReportAllocs()
	for b.Loop() {
		see(m, f)
		_ = m.View()
	}
}

// TestLogsAndKeysFitEverySize draws both pages with wide letters, escape sequences and long texts, however they are set.
func TestLogsAndKeysFitEverySize(t *testing.T) {
	f, s := wideScene(), wideStore()
	m := screen(t, f, 80, 24)
	for _, sequence := range []string{"2", "2w", "2k<enter>", "2m<tab>", "2/東<enter>", "5", "5vC", "5<enter>j", "5<tab><tab>j<right>"} {
		m.setFilter("")
		pressed(m, f, s, sequence)
		for width := 1; width <= 130; width += 1 + width/8 {
			for height := 1; height <= 40; height += 1 + height/8 {
				m.Update(tea.WindowSizeMsg{Width: width, Height: height})
				m.View()
				f.keys = s.answer(m.page().want().Keys)
				see(m, f)
				if checkSize(t, m.View(), m.size); t.Failed() {
					t.Fatalf("%s at %dx%d:\n%s", sequence, width, height, m.View())
				}
			}
		}
	}
}
