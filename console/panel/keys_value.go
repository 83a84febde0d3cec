package panel

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
)

// shownBytesMax bounds what is shown of a value as text or JSON, which must be broken into lines as a whole.
const shownBytesMax = 64 << 10

// keysValue is the chosen key with its value, and what the replicas have of it.
func keysValue(c *state.Console, t *theme.Theme, size Size, v *KeysView) string {
	inner, rows := size.Width, size.Height
	if framed(inner, rows) {
		inner, rows = inner-frameCells, rows-frameCells
	}
	title := "Value"
	if v.Key != "" {
		title = command.Visible(clipped(v.Key, 4*inner))
	}
	frame := pane{title: title, width: size.Width, height: size.Height, focused: v.Pane == KeysValue}
	copies := keysCopies(c, t, v, inner)
	if rows >= keysExplainMin && len(copies) > 1 {
		copies = append(copies, "")
		for _, line := range copiesExplained(&c.Keys.Compare) {
			copies = append(copies, wrapped(" "+line, inner, t.Quiet.Render)...)
		}
	}
	if len(copies) > rows-keysContentMin {
		copies = copies[:max(rows-keysContentMin, 0)]
	}
	content, all := keysContent(c, t, v, Size{inner, rows - len(copies)})
	if room := rows - len(copies); all > room {
		frame.note = fmt.Sprintf("%s rows", grouped(uint64(all)))
	}
	for len(content) < rows-len(copies) {
		content = append(content, "")
	}
	return frame.draw(t, append(content[:max(rows-len(copies), 0)], copies...))
}

const (
	keysContentMin = 5  // rows of the value that the comparison leaves
	keysExplainMin = 22 // rows from which the comparison is explained
	keysFactRows   = 3  // rows about the value above it
)

// keysContent is what is known of the value: its facts, then its bytes. All is the number of rows there would be.
func keysContent(c *state.Console, t *theme.Theme, v *KeysView, size Size) (lines []string, all int) {
	value := &c.Keys.Value
	switch {
	case v.Key == "":
		return []string{styled(t.Quiet, " no key is chosen")}, 1
	case value.Key != v.Key || value.Mode != v.Want.Page.Mode:
		return []string{styled(t.Quiet, " reading…")}, 1
	case !value.Known:
		return wrapped(" "+failureText(&value.KeySource), size.Width, t.Bad.Render), 1
	}
	where := fmt.Sprintf("%s at slot %s", command.Visible(value.Replica), grouped(value.Applied))
	if value.Err != "" {
		lines = append(lines, styled(t.Bad, " "+failureLine(&value.KeySource)))
	}
	if !value.Found {
		return append(lines, styled(t.Warning, " no such key")+styled(t.Quiet, "   "+where)), 1
	}
	lines = append(lines,
		fmt.Sprintf(" %s bytes, revision %s", grouped(uint64(len(value.Value))), grouped(value.Revision)),
		styled(t.Quiet, " "+where), keysForms(t, v.Form))
	room := max(size.Height-len(lines), 0)
	from := v.Scroll
	if from > 0 {
		from = min(from, KeysScrollMax(c, size.Width, *v))
	}
	rows, total := formed(value.Value, v.Form, size.Width-2, from, room)
	for _, row := range rows {
		lines = append(lines, " "+row)
	}
	return lines, keysFactRows + total
}

// keysForms is the list of forms, the one in use in brackets.
func keysForms(t *theme.Theme, form KeysForm) string {
	words := " "
	for f := range KeysForms {
		if f == form {
			words += styled(t.Title, "["+f.String()+"]") + " "
		} else {
			words += styled(t.Quiet, f.String()+" ")
		}
	}
	return words + styled(t.Quiet, " v")
}

// KeysScrollMax is how many rows of the value can be above what is seen, so that its last row still is.
func KeysScrollMax(c *state.Console, width int, v KeysView) int {
	_, total := formed(c.Keys.Value.Value, v.Form, width-2, 0, 0)
	return max(total-1, 0)
}

// KeysValueWidth is the width inside of the pane of the value.
func KeysValueWidth(size Size, v KeysView) int {
	_, _, width := v.panes(size.Width)
	if framed(width, size.Height) {
		width -= frameCells
	}
	return width
}

// formed gives the rows of a value in a form from one on, and how many there are in all.
func formed(value []byte, form KeysForm, width, from, rows int) (lines []string, total int) {
	width = max(width, 8)
	switch form {
	case FormHex:
		return hexRows(value, width, from, rows)
	case FormBase64:
		step := max(width/4*3, 3)
		total = (len(value) + step - 1) / step
		for i := from; i < min(total, from+rows); i++ {
			lines = append(lines, base64.StdEncoding.EncodeToString(value[i*step:min((i+1)*step, len(value))]))
		}
		return lines, total
	case FormJSON:
		var indented bytes.Buffer
		if len(value) <= shownBytesMax && json.Indent(&indented, value, "", "  ") == nil {
			value = indented.Bytes()
		} else if from == 0 && rows > 0 {
			rest, all := textRows(value, width, 0, rows-1)
			return append([]string{"(no JSON, or too long)"}, rest...), all + 1
		}
	}
	return textRows(value, width, from, rows)
}

// textRows breaks a text into rows.
func textRows(value []byte, width, from, rows int) (lines []string, total int) {
	cut := max(len(value)-shownBytesMax, 0)
	text := clipped(string(value[:len(value)-cut]), shownBytesMax)
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		line = strings.ReplaceAll(strings.TrimSuffix(line, "\r"), "\t", "    ")
		for _, part := range strings.Split(ansi.Hardwrap(command.Visible(line), width, true), "\n") {
			if total++; total > from && len(lines) < rows {
				lines = append(lines, part)
			}
		}
	}
	if cut > 0 {
		if total++; total > from && len(lines) < rows {
			lines = append(lines, fmt.Sprintf("… %s bytes more: hex and base64 show all", grouped(uint64(cut))))
		}
	}
	return lines, total
}

// hexRows is a dump: offset, bytes, letters.
func hexRows(value []byte, width, from, rows int) (lines []string, total int) {
	step := 16
	for step > 4 && 7+4*step > width {
		step /= 2
	}
	total = (len(value) + step - 1) / step
	for i := from; i < min(total, from+rows); i++ {
		part := value[i*step : min((i+1)*step, len(value))]
		letters := make([]byte, len(part))
		for j, char := range part {
			letters[j] = '.'
			if char >= ' ' && char < 0x7f {
				letters[j] = char
			}
		}
		lines = append(lines, fmt.Sprintf("%05x %-*s %s", i*step, 3*step, fmt.Sprintf("% x", part), letters))
	}
	return lines, total
}

// keysCopies is what the replicas have of the key, if they were asked.
func keysCopies(c *state.Console, t *theme.Theme, v *KeysView, width int) []string {
	if v.Key == "" {
		return nil
	}
	heading := styled(t.Quiet, " SAME ON ALL REPLICAS?  (C)")
	compare := &c.Keys.Compare
	if v.Want.Compare.Key != v.Key || v.Want.Compare.Turn == 0 {
		return []string{heading}
	}
	if compare.Want != v.Want.Compare {
		return []string{heading, styled(t.Quiet, " asking all replicas…")}
	}
	leader, _ := c.Leader()
	lines := []string{heading + styled(t.Quiet, "  "+span(c.Now.Sub(compare.At))+" ago")}
	for i := range compare.Copies {
		lines = append(lines, keysCopy(&compare.Copies[i], t, leader, width))
	}
	return lines
}

func keysCopy(k *state.KeyCopy, t *theme.Theme, leader string, width int) string {
	star := " "
	if k.Replica == leader {
		star = styled(t.Leader, t.Glyphs.Leader)
	}
	name := " " + fit(command.Visible(k.Replica), 3) + star + " "
	if !k.Answered {
		return fit(name+styled(t.Old, t.Glyphs.Unknown+" no answer: "+command.Visible(k.Err)), width)
	}
	facts := right(grouped(k.Applied), 9) + "  "
	switch {
	case !k.Found:
		facts += fit("no such key", 12)
	case width < keysRevisionMin:
		facts += fmt.Sprintf("%08x", k.CRC)
	default:
		facts += fmt.Sprintf("crc %08x", k.CRC)
	}
	look, sign := t.Good, t.Glyphs.Good
	switch k.Verdict {
	case state.KeyBehind:
		look, sign = t.Warning, t.Glyphs.Recovering
	case state.KeyDiverged:
		look, sign = t.Bad, t.Glyphs.Failed
	}
	return fit(name+facts+"  "+styled(look, sign+" "+k.Verdict.String()), width)
}

// copiesExplained says what follows from a comparison.
func copiesExplained(k *state.KeyCompare) []string {
	switch {
	case k.Diverged() != "":
		return []string{
			"DIVERGENCE: " + command.Visible(k.Diverged()) + " has what cannot come from the same history as the others. " +
				"Stop trusting it: `digest @all` tells since which slot, its log what happened there.",
		}
	case !k.Settled():
		return []string{"BEHIND: it has applied fewer slots and may differ until it has caught up. That breaks no promise."}
	}
	return []string{"Each was asked for what it has itself; slot is how far it has applied."}
}
