package panel

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
)

// place puts a text over a line, from a column on.
func place(line, text string, at, width int) string {
	end := at + ansi.StringWidth(text)
	left := fit(ansi.Truncate(line, at, ""), at)
	right := ansi.TruncateLeft(line, end, "")
	// A wide letter under an edge of the text is cut in half: the half that is left becomes a space.
	right = strings.Repeat(" ", max(0, width-end-ansi.StringWidth(right))) + right
	return fit(left+text+right, width)
}

// Over puts a box in the middle of a view.
func Over(view, box string, size Size) string {
	lines, rows := strings.Split(view, "\n"), strings.Split(box, "\n")
	cells := ansi.StringWidth(rows[0])
	from, at := max((len(lines)-len(rows))/2, 0), max((size.Width-cells)/2, 0)
	for i, row := range rows {
		if from+i < len(lines) {
			lines[from+i] = place(lines[from+i], fit(row, min(cells, size.Width)), at, size.Width)
		}
	}
	return strings.Join(lines, "\n")
}

// DialogueView is a question.
type DialogueView struct {
	Title string
	Text  []string    // paragraphs
	Type  string      // what must be typed; "" for yes or no
	Typed *state.Line // what is typed so far
	Yes   bool        // the choice that Enter takes
}

const (
	dialogueCellsMax = 72
	dialogueIndent   = 2
)

// Dialogue is a box with a question; no is chosen unless somebody chooses yes.
func Dialogue(v DialogueView, t *theme.Theme, width int) string {
	width = min(width, dialogueCellsMax)
	inner := max(width-frameCells-2*dialogueIndent, 1)
	lines := []string{""}
	for _, paragraph := range v.Text {
		for _, line := range strings.Split(ansi.Wrap(command.Visible(paragraph), inner, ""), "\n") {
			lines = append(lines, "  "+styled(t.Warning, line))
		}
		lines = append(lines, "")
	}
	if v.Type != "" {
		typed := Prompt(PromptView{Line: v.Typed, Lead: ">", Focused: true}, t, inner)
		lines = append(lines, "  type "+command.Quote(v.Type)+" to do it, Esc does not", "  "+typed, "")
	} else {
		no, yes := "[ No ]", "  Yes  "
		if v.Yes {
			no, yes = "  No  ", "[ Yes ]"
		}
		if v.Yes {
			yes = styled(t.Select, yes)
		} else {
			no = styled(t.Select, no)
		}
		lines = append(lines, "  "+no+"   "+yes+"   "+styled(t.Quiet, "y n"), "")
	}
	return pane{title: v.Title, width: width, height: len(lines) + frameCells, focused: true, boxed: true}.draw(t, lines)
}
