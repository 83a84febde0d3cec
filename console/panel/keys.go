package panel

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
)

// The panes of the keys, in the order of Tab.
const (
	KeysList = iota
	KeysValue
	KeysTree
)

// KeysForm is how a value is written.
type KeysForm int

// The forms.
const (
	FormText KeysForm = iota
	FormHex
	FormJSON
	FormBase64
	KeysForms // the number of forms
)

// String is the name of the form.
func (f KeysForm) String() string { return [...]string{"text", "hex", "json", "base64"}[f] }

// KeysView is what a person has chosen on the keys.
type KeysView struct {
	Want   state.KeysWant // what the page asks for; answers to something else are not shown
	Open   map[string]bool
	Key    string // chosen; "" for none
	Page   int    // number of the page, from 0
	Form   KeysForm
	Scroll int // rows of the value that are above what is seen
	Pane   int
	Alone  bool
}

// Sizes of the keys.
const (
	keysTreeWidth   = 30  // cells of the tree of prefixes
	keysTreeMin     = 110 // cells from which it has a place of its own
	keysListShare   = 2   // the list has half of the rest
	keysRevisionMin = 40  // cells from which the list has a column for revisions
	keysTreeNotes   = 6   // rows at the bottom of the tree that say how keys are read
)

// panes shares out the width; 0 is not seen.
func (v *KeysView) panes(width int) (tree, list, value int) {
	switch {
	case v.Alone && v.Pane == KeysTree:
		return width, 0, 0
	case v.Alone && v.Pane == KeysValue:
		return 0, 0, width
	case v.Alone:
		return 0, width, 0
	case width >= keysTreeMin:
		tree = keysTreeWidth
	case v.Pane == KeysTree: // it takes the place of the list
		return width / keysListShare, 0, width - width/keysListShare
	}
	list = (width - tree) / keysListShare
	return tree, list, width - tree - list
}

// KeysRows is how many keys of the list are seen at that size.
func KeysRows(size Size, v KeysView) int {
	_, list, _ := v.panes(size.Width)
	rows := size.Height
	if framed(max(list, frameCells+1), rows) {
		rows -= frameCells
	}
	return max(rows-keysListExtra, 1)
}

// keysListExtra is the rows of the list that hold no key: the heading and what is said about the page.
const keysListExtra = 2

// KeysScreen draws the tree of prefixes, the list of keys and the chosen value.
func KeysScreen(c *state.Console, t *theme.Theme, size Size, v KeysView) string {
	tree, list, value := v.panes(size.Width)
	view := ""
	if tree > 0 {
		view = keysTree(c, t, Size{tree, size.Height}, &v)
	}
	if list > 0 {
		view = besideOr(view, keysList(c, t, Size{list, size.Height}, &v))
	}
	if value > 0 {
		view = besideOr(view, keysValue(c, t, Size{value, size.Height}, &v))
	}
	return view
}

func besideOr(left, right string) string {
	if left == "" {
		return right
	}
	return beside(left, right)
}

// keysTree is the tree of prefixes, and how keys are read.
func keysTree(c *state.Console, t *theme.Theme, size Size, v *KeysView) string {
	inner, rows := size.Width, size.Height
	if framed(inner, rows) {
		inner, rows = inner-frameCells, rows-frameCells
	}
	tree, seen := c.Keys.Tree(v.Open), treeRows(rows)
	at := treeAt(tree, v)
	var lines []string
	for i := window(len(tree), seen, at); i < len(tree) && len(lines) < seen; i++ {
		lines = append(lines, keysBranch(&tree[i], t, inner, i == at))
	}
	if seen < rows {
		for len(lines) < seen {
			lines = append(lines, "")
		}
		lines = append(lines, keysReading(c, t, v)...)
	}
	note := ""
	if level, ok := c.Keys.Levels[""]; ok && level.Err != "" {
		note = styled(t.Warning, "old")
	}
	return pane{
		title: "Prefixes", note: note, width: size.Width, height: size.Height, focused: v.Pane == KeysTree,
	}.draw(t, lines)
}

// window gives the first of so many things that are seen in some rows, so that one of them is seen.
func window(things, rows, at int) int {
	return min(max(at-rows/2, 0), max(things-rows, 0))
}

func keysBranch(row *state.KeyTreeRow, t *theme.Theme, width int, chosen bool) string {
	sign := t.Glyphs.Shut
	if row.Open {
		sign = t.Glyphs.Open
	}
	count := "…"
	if row.Known {
		count = grouped(uint64(row.Count))
		if row.More {
			count += "+"
		}
	}
	name := strings.Repeat("  ", row.Depth) + sign + " " + command.Visible(row.Name)
	room := max(width-2-ansi.StringWidth(count)-1, 1)
	mark := " "
	if chosen {
		mark = t.Glyphs.Select
	}
	text := fit(mark+fit(name, room)+" "+count, width)
	if chosen {
		return t.Select.Render(text)
	}
	return text
}

// keysReading says by whom and how keys are read.
func keysReading(c *state.Console, t *theme.Theme, v *KeysView) []string {
	page := &c.Keys.Page
	mode := "linearizable"
	if v.Want.Page.Mode.Stale != "" {
		mode = "stale"
	}
	from, at := "—", "—"
	if page.Known && page.Replica != "" { // an empty answer does not tell
		from, at = command.Visible(page.Replica), "slot "+grouped(page.Applied)
	}
	label := func(label, text string) string { return styled(t.Quiet, " "+fit(label, 6)) + " " + text }
	return []string{
		label("read", mode), label("from", from), label("at", at), "",
		styled(t.Quiet, " R cycles: linearizable,"), styled(t.Quiet, " stale from each replica"),
	}
}

// keysList is one page of keys.
func keysList(c *state.Console, t *theme.Theme, size Size, v *KeysView) string {
	inner, rows := size.Width, size.Height
	if framed(inner, rows) {
		inner, rows = inner-frameCells, rows-frameCells
	}
	page, want := &c.Keys.Page, &v.Want.Page
	current := page.Want == *want
	lines := []string{styled(t.Quiet, keysRow("   KEY", "BYTES", "REVISION", inner))}
	if current {
		chosen := page.Nearest(v.Key)
		from := window(len(page.Rows), rows-keysListExtra, chosen)
		for i := from; i < len(page.Rows) && len(lines) < rows-1; i++ {
			lines = append(lines, keysEntry(&page.Rows[i], t, inner, i == chosen, page.Err != ""))
		}
	}
	if len(lines) == 1 {
		lines = append(lines, keysNothing(page, t, current, inner)...)
	}
	for len(lines) < rows-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:max(rows-1, 0)], keysFoot(c, t, v, current))
	title := command.Visible(want.Prefix)
	if want.Prefix == "" {
		title = "all keys"
	}
	if count, more, known := c.Keys.Count(want.Prefix); known {
		plus := ""
		if more {
			plus = "+"
		}
		title += fmt.Sprintf("   %s%s", grouped(uint64(count)), plus)
	}
	note := ""
	if want.Filter != "" {
		note = "/" + command.Visible(want.Filter) + "/"
	}
	return pane{
		title: title, note: note, width: size.Width, height: size.Height, focused: v.Pane == KeysList,
	}.draw(t, lines)
}

// keysRow is one row of the list; the revision goes first where there is no room.
func keysRow(key, bytes, revision string, width int) string {
	tail := right(bytes, 9) + " " + right(revision, 11) + " "
	if width < keysRevisionMin {
		tail = right(bytes, 9) + " "
	}
	return fit(key, max(width-ansi.StringWidth(tail), 1)) + tail
}

func keysEntry(row *state.KeyRow, t *theme.Theme, width int, chosen, old bool) string {
	mark, bytes := " ", "—"
	if chosen {
		mark = t.Glyphs.Select
	}
	if row.Bytes >= 0 {
		bytes = grouped(uint64(row.Bytes))
	}
	text := fit(keysRow(" "+mark+" "+command.Visible(clipped(row.Key, 4*width)), bytes, grouped(row.Revision), width), width)
	switch {
	case chosen:
		return t.Select.Render(text)
	case old:
		return styled(t.Old, text)
	}
	return text
}

// keysNothing says why there are no rows.
func keysNothing(page *state.KeyPage, t *theme.Theme, current bool, width int) []string {
	switch {
	case !current:
		return []string{styled(t.Quiet, " reading…")}
	case page.Err != "":
		return wrapped(" "+failureText(&page.KeySource), width, t.Bad.Render)
	case page.Want.Filter != "":
		return []string{styled(t.Quiet, fmt.Sprintf(" none of %s keys matches", grouped(uint64(page.Searched))))}
	}
	return []string{styled(t.Quiet, " no keys here: : put KEY VALUE makes one")}
}

// failureText is an error with what can be done about it.
func failureText(source *state.KeySource) string {
	text := command.Visible(source.Kind + ": " + source.Err)
	if source.Kind == source.Err {
		text = command.Visible(source.Err)
	}
	switch command.Failure(source.Kind) {
	case command.NoQuorum, command.Timeout:
		return text + ". R reads what one replica has, without the others."
	case command.Unreachable, command.Unavailable, command.Closed:
		return text + ". R asks another replica; Overview shows who is there."
	case command.Overloaded:
		return text + ". It is asked again."
	}
	return text
}

// failureLine says in few words why what is shown is no longer of now, and what can be done.
func failureLine(source *state.KeySource) string {
	return "old, " + command.Visible(source.Kind) + ": R reads from one replica"
}

// keysFoot says where the page stands and how old it is.
func keysFoot(c *state.Console, t *theme.Theme, v *KeysView, current bool) string {
	page := &c.Keys.Page
	if !current {
		return ""
	}
	if page.Err != "" && len(page.Rows) > 0 {
		return styled(t.Bad, " "+failureLine(&page.KeySource))
	}
	words := []string{}
	switch {
	case v.Page > 0 && page.More:
		words = append(words, fmt.Sprintf("page %d   < > pages", v.Page+1))
	case v.Page > 0:
		words = append(words, fmt.Sprintf("page %d, the last   < before", v.Page+1))
	case page.More:
		words = append(words, fmt.Sprintf("first %d   > next page", len(page.Rows)))
	case len(page.Rows) > 0:
		words = append(words, fmt.Sprintf("all %d", len(page.Rows)))
	}
	if page.Want.Filter != "" && page.Searched > 0 {
		words = append(words, fmt.Sprintf("of %s looked at", grouped(uint64(page.Searched))))
	}
	if v.Want.Page.Mode.Stale != "" {
		words = append(words, "stale from "+command.Visible(v.Want.Page.Mode.Stale))
	}
	return styled(t.Quiet, " "+strings.Join(words, "   "))
}

// KeysHit is what is at a cell of the keys.
type KeysHit struct {
	Pane int    // -1 for none
	Ok   bool   // there is a key or a prefix
	Text string // that one
}

// KeysAt tells what is at a cell of what KeysScreen has drawn.
func KeysAt(c *state.Console, size Size, v KeysView, x, y int) KeysHit {
	tree, list, value := v.panes(size.Width)
	width, pane := tree, KeysTree
	switch {
	case x >= tree+list+value || x < 0 || y < 0 || y >= size.Height:
		return KeysHit{Pane: -1}
	case x >= tree+list:
		return KeysHit{Pane: KeysValue}
	case x >= tree:
		width, pane = list, KeysList
	}
	rows := size.Height
	if framed(width, rows) {
		rows, y = rows-frameCells, y-1
	}
	hit := KeysHit{Pane: pane}
	if pane == KeysTree {
		rows = treeRows(rows)
		all := c.Keys.Tree(v.Open)
		if at := y + window(len(all), rows, treeAt(all, &v)); y >= 0 && y < rows && at < len(all) {
			hit.Ok, hit.Text = true, all[at].Prefix
		}
		return hit
	}
	page := &c.Keys.Page
	y-- // the heading
	at := y + window(len(page.Rows), rows-keysListExtra, page.Nearest(v.Key))
	if page.Want == v.Want.Page && y >= 0 && y < rows-keysListExtra && at < len(page.Rows) {
		hit.Ok, hit.Text = true, page.Rows[at].Key
	}
	return hit
}

// treeRows is how many rows of the tree are seen in so many.
func treeRows(rows int) int {
	if rows < 2*keysTreeNotes {
		return rows
	}
	return rows - keysTreeNotes
}

// treeAt is the row of the chosen prefix.
func treeAt(tree []state.KeyTreeRow, v *KeysView) int {
	for i := range tree {
		if tree[i].Prefix == v.Want.Page.Prefix {
			return i
		}
	}
	return 0
}
