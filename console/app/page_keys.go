package app

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	tea "github.com/charmbracelet/bubbletea"

	"synod/console/command"
	"synod/console/panel"
	"synod/console/state"
	"synod/console/theme"
)

// keysPage is the store: a tree of prefixes, pages of keys, the value of one of them.
type keysPage struct {
	panes
	mode    state.KeyMode
	prefix  string
	after   []string // the last key before each page up to the one that is seen; empty on the first
	search  string
	key     string
	open    map[string]bool // prefixes that are open in the tree; replaced, not changed
	compare state.KeyCompareWant
	form    panel.KeysForm
	scroll  int
	chosen  uint64     // highest chosen slot that is known
	size    panel.Size // of the last drawing
}

func newKeysPage() *keysPage { return &keysPage{} }

func (p *keysPage) title() (long, short string) { return "Keys", "Keys" }

func (p *keysPage) paneNames() []string { return []string{"keys", "value", "prefixes"} }

// want asks for the page, the prefixes that are open, the value of the chosen key and its comparison.
func (p *keysPage) want() state.Want {
	want := state.KeysWant{
		Seen: true, Chosen: p.chosen, Page: p.pageWant(), Levels: p.levels(), Key: p.key, Compare: p.compare,
	}
	return state.Want{Keys: want}
}

func (p *keysPage) pageWant() state.KeyPageWant {
	want := state.KeyPageWant{Mode: p.mode, Prefix: p.prefix, Filter: p.search, Rows: keysRowsUnseen}
	if p.size.Height > 0 {
		want.Rows = min(panel.KeysRows(p.size, panel.KeysView{Pane: p.at, Alone: p.alone}), state.KeyRowsMax)
	}
	if n := len(p.after); n > 0 {
		want.After = p.after[n-1]
	}
	return want
}

// keysRowsUnseen is the length of a page before it was drawn.
const keysRowsUnseen = 24

// levels are the prefixes of which the parts are seen: the first one always, and the one that the list is of.
func (p *keysPage) levels() []string {
	list := append([]string{""}, slices.Sorted(maps.Keys(p.open))...)
	if !slices.Contains(list, p.prefix) {
		list = append(list, p.prefix)
	}
	return list[:min(len(list), state.KeyLevelsMax)]
}

func (p *keysPage) bindings() []binding {
	return []binding{
		{"↑ ↓ j k", "key, or prefix, or row of the value", []string{"up", "k"}, p.doing(func(p *keysPage, c *state.Console) { p.move(c, -1) })},
		{"", "", []string{"down", "j"}, p.doing(func(p *keysPage, c *state.Console) { p.move(c, 1) })},
		{"→ ←", "open/close, in the tree; in the list into the prefix of the key, and out of it", []string{"right", "l"}, p.doing((*keysPage).into)},
		{"", "", []string{"left", "h"}, p.doing((*keysPage).out)},
		{"> <", "page, the next one and the one before", []string{">", "pgdown"}, p.doing((*keysPage).nextPage)},
		{"", "", []string{"<", "pgup"}, p.doing((*keysPage).pageBefore)},
		{"Enter", "value, gives it the keys of movement; again gives them back", []string{"enter"}, p.enter},
		{"v", "form of the value, text, hex, json, base64", []string{"v"}, p.doing((*keysPage).nextForm)},
		{"C", "compare, asks every replica for its copy", []string{"C"}, p.compareKey},
		{"R", "read mode, linearizable, or stale from each replica", []string{"R"}, p.nextMode},
		{"p", "put…, fills the prompt; Enter there decides", []string{"p"}, p.proposing("put")},
		{"D", "delete…, fills the prompt; Enter there decides", []string{"D"}, p.proposing("del")},
		{"g G", "first key of all pages, last of this one", []string{"g", "home"}, p.doing((*keysPage).first)},
		{"", "", []string{"G", "end"}, p.doing((*keysPage).last)},
	}
}

// doing makes a key of an act.
func (p *keysPage) doing(do func(*keysPage, *state.Console)) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		do(p, m.known())
		return nil
	}
}

// page gives the page of the list if it is the one that is wanted.
func (p *keysPage) page(c *state.Console) *state.KeyPage {
	if c.Keys.Page.Want == p.pageWant() {
		return &c.Keys.Page
	}
	return &state.KeyPage{}
}

// observe keeps a key chosen: the same one, or its neighbour if it has gone.
func (p *keysPage) observe(c *state.Console) {
	p.chosen = c.Chosen()
	if page := p.page(c); page.Known && page.Err == "" {
		p.choose(page, page.Nearest(p.key))
	}
}

func (p *keysPage) choose(page *state.KeyPage, at int) {
	key := ""
	if at >= 0 && at < len(page.Rows) {
		key = page.Rows[at].Key
	}
	if key != p.key {
		p.key, p.scroll = key, 0
	}
}

func (p *keysPage) move(c *state.Console, by int) {
	switch p.at {
	case panel.KeysValue:
		width := panel.KeysValueWidth(p.size, p.view())
		p.scroll = min(max(p.scroll+by, 0), panel.KeysScrollMax(c, width, p.view()))
	case panel.KeysTree:
		tree := c.Keys.Tree(p.open)
		at := slices.IndexFunc(tree, func(row state.KeyTreeRow) bool { return row.Prefix == p.prefix })
		if at += by; at >= 0 && at < len(tree) {
			p.goTo(tree[at].Prefix)
		}
	default:
		page := p.page(c)
		switch at := page.Nearest(p.key) + by; {
		case at < 0 && len(p.after) > 0:
			p.pageBefore(c)
			p.key = "\xff" // the last one there
		case at >= len(page.Rows) && page.More:
			p.nextPage(c)
		default:
			p.choose(page, min(max(at, 0), len(page.Rows)-1))
		}
	}
}

// goTo shows the keys below a prefix.
func (p *keysPage) goTo(prefix string) {
	if p.prefix != prefix {
		p.prefix, p.after, p.key, p.scroll = prefix, nil, "", 0
	}
}

// into opens the prefix of the tree, or goes from the list into the prefix of the chosen key.
func (p *keysPage) into(c *state.Console) {
	if p.at == panel.KeysTree {
		p.setOpen(p.prefix, true)
		return
	}
	if below, ok := state.KeyBelow(p.prefix, p.key); ok {
		key := p.key
		p.setOpen(p.prefix, true)
		p.goTo(below)
		p.key = key
	}
}

// out closes the prefix of the tree, or goes to the one above.
func (p *keysPage) out(*state.Console) {
	if p.at == panel.KeysTree && p.open[p.prefix] {
		p.setOpen(p.prefix, false)
		return
	}
	was := p.prefix
	p.goTo(state.KeyParent(p.prefix))
	if p.prefix != was {
		p.key = was // the first key of it is the nearest one
	}
}

func (p *keysPage) setOpen(prefix string, open bool) {
	p.open = maps.Clone(p.open)
	if p.open == nil {
		p.open = map[string]bool{}
	}
	switch {
	case prefix == "" || !open:
		delete(p.open, prefix)
	case len(p.open) < state.KeyLevelsMax-2: // the first level and that of the list have a place, too
		p.open[prefix] = true
	}
}

func (p *keysPage) nextPage(c *state.Console) {
	if page := p.page(c); page.More && len(page.Rows) > 0 {
		p.after = append(slices.Clone(p.after), page.Rows[len(page.Rows)-1].Key)
		p.key, p.scroll = "", 0
	}
}

func (p *keysPage) pageBefore(*state.Console) {
	if n := len(p.after); n > 0 {
		p.after = p.after[:n-1]
		p.key, p.scroll = "", 0
	}
}

func (p *keysPage) first(*state.Console) {
	if p.at == panel.KeysValue {
		p.scroll = 0
		return
	}
	p.after, p.key, p.scroll = nil, "", 0
}

func (p *keysPage) last(c *state.Console) {
	if p.at == panel.KeysValue {
		p.scroll = panel.KeysScrollMax(c, panel.KeysValueWidth(p.size, p.view()), p.view())
		return
	}
	page := p.page(c)
	p.choose(page, len(page.Rows)-1)
}

// enter goes from the list to the value and back.
func (p *keysPage) enter(m *Model) tea.Cmd {
	by := panel.KeysValue - p.at
	if p.at == panel.KeysValue {
		by = panel.KeysList - p.at
	}
	return m.turn(by)
}

func (p *keysPage) nextForm(*state.Console) {
	p.form, p.scroll = (p.form+1)%panel.KeysForms, 0
}

// compareKey asks all replicas for their copy of the chosen key.
func (p *keysPage) compareKey(m *Model) tea.Cmd {
	if p.key == "" {
		return m.say("no key is chosen")
	}
	p.compare = state.KeyCompareWant{Key: p.key, Turn: p.compare.Turn + 1}
	return nil
}

// nextMode goes through the ways to read: linearizable, then stale from each replica.
func (p *keysPage) nextMode(m *Model) tea.Cmd {
	replicas := m.known().Replicas
	at := 0
	if p.mode.Stale != "" {
		at = 1 + slices.IndexFunc(replicas, func(o state.Observation) bool { return o.ID == p.mode.Stale })
	}
	if p.mode = (state.KeyMode{}); at < len(replicas) {
		p.mode.Stale = replicas[at].ID
	}
	if p.mode.Stale == "" {
		return m.say("linearizable: what is true now, as a majority knows it")
	}
	return m.say("stale: what " + command.Visible(p.mode.Stale) + " has applied, even if it is behind")
}

// proposing makes a key that fills the prompt with a command about the chosen key.
func (p *keysPage) proposing(verb string) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		switch {
		case m.options.ReadOnly:
			return m.say("this console is read-only")
		case p.key == "" && verb != "put":
			return m.say("no key is chosen")
		}
		line := verb + " "
		if p.key != "" {
			line += command.Plain(p.key)
		}
		if verb == "put" && p.key != "" {
			line += " "
		}
		return m.propose(line)
	}
}

func (p *keysPage) view() panel.KeysView {
	return panel.KeysView{
		Want: p.want().Keys, Open: p.open, Key: p.key, Page: len(p.after), Form: p.form, Scroll: p.scroll, Pane: p.at,
		Alone: p.alone,
	}
}

func (p *keysPage) draw(c *state.Console, t *theme.Theme, size panel.Size) string {
	p.size = size
	return panel.KeysScreen(c, t, size, p.view())
}

func (p *keysPage) filter(c *state.Console, text string) string {
	if _, err := (state.LogFilter{}).Search(text); err != nil {
		return err.Error()
	}
	if text != p.search {
		p.search, p.after, p.scroll = text, nil, 0
	}
	return `a regular expression; small letters match capitals; " & " joins terms, ! before one inverts it`
}

func (p *keysPage) next(c *state.Console, back bool) {
	if back {
		p.move(c, -1)
	} else {
		p.move(c, 1)
	}
}

// click chooses a key or a prefix; the wheel moves in what is under it.
func (p *keysPage) click(m *Model, event tea.MouseMsg) tea.Cmd {
	hit := panel.KeysAt(m.known(), p.size, p.view(), event.X, event.Y)
	if hit.Pane < 0 {
		return nil
	}
	cmd := m.turn(hit.Pane - p.at)
	p.at = hit.Pane
	switch {
	case event.Button == tea.MouseButtonWheelUp:
		p.move(m.known(), -1)
	case event.Button == tea.MouseButtonWheelDown:
		p.move(m.known(), 1)
	case hit.Pane == panel.KeysTree && hit.Ok:
		p.goTo(hit.Text)
	case hit.Pane == panel.KeysList && hit.Ok:
		page := p.page(m.known())
		p.choose(page, page.Nearest(hit.Text))
	}
	return cmd
}

// selection is the value where it has the keys, else the key.
func (p *keysPage) selection(c *state.Console) string {
	value := &c.Keys.Value
	if p.at != panel.KeysValue || value.Key != p.key || !value.Found {
		return p.key
	}
	if p.form == panel.FormText {
		return string(value.Value)
	}
	return command.FormatValue(value.Value, p.form.String())
}

func (p *keysPage) formats() []string { return []string{"json", "csv"} }

// keyExport is one key of an export. What is no text comes as base64.
type keyExport struct {
	V         int     `json:"v"` // grows when the meaning of a field changes
	Key       *string `json:"key,omitempty"`
	KeyB64    string  `json:"key_b64,omitempty"`
	Bytes     *int    `json:"bytes,omitempty"` // of the value, if it is known
	Revision  uint64  `json:"revision"`
	Replica   string  `json:"replica"`
	Applied   uint64  `json:"applied"`
	Stale     bool    `json:"stale"`
	ValueText *string `json:"value,omitempty"` // of the chosen key only
	ValueB64  string  `json:"value_b64,omitempty"`
}

// export writes the page of the list, and the value of the chosen key in JSON.
func (p *keysPage) export(c *state.Console, format string) []byte {
	var out bytes.Buffer
	page := p.page(c)
	if format == "csv" {
		table := csv.NewWriter(&out)
		_ = table.Write([]string{"key", "key_b64", "bytes", "revision", "replica", "applied"})
		for _, row := range page.Rows {
			text, coded := textOrBase64([]byte(row.Key))
			bytes := ""
			if row.Bytes >= 0 {
				bytes = strconv.Itoa(row.Bytes)
			}
			_ = table.Write([]string{
				stringOf(text), coded, bytes, fmt.Sprint(row.Revision), page.Replica, fmt.Sprint(page.Applied),
			})
		}
		table.Flush() // a buffer takes everything
		return out.Bytes()
	}
	encoder := json.NewEncoder(&out)
	for _, row := range page.Rows {
		line := keyExport{
			V: 1, Revision: row.Revision, Replica: page.Replica, Applied: page.Applied, Stale: page.Want.Mode.Stale != "",
		}
		line.Key, line.KeyB64 = textOrBase64([]byte(row.Key))
		if row.Bytes >= 0 {
			line.Bytes = &row.Bytes
		}
		if value := &c.Keys.Value; value.Known && value.Found && value.Key == row.Key {
			line.ValueText, line.ValueB64 = textOrBase64(value.Value)
		}
		_ = encoder.Encode(line) // a buffer takes everything
	}
	return out.Bytes()
}

func textOrBase64(value []byte) (text *string, coded string) {
	if utf8.Valid(value) {
		plain := string(value)
		return &plain, ""
	}
	return nil, base64.StdEncoding.EncodeToString(value)
}

func stringOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
