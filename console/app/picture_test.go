package app

import (
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"synod/console/panel"
	"synod/console/theme"
)

var pictures = flag.String("pictures", "", "write pictures of the screens into this folder")

// Measures of a picture, in its own units.
const (
	cellWidth  = 8.43 // of the first font at its size
	cellHeight = 17.0
	pictureRim = 10.0
	fontSize   = 14
)

// ink is how letters look.
type ink struct {
	color                          int // 0 to 15, -1 for the usual one
	bold, faint, underline, invert bool
}

// palette are the 16 colours of the terminal in the pictures, and behind them ink and paper.
func palette(color int) string {
	return [...]string{
		"#1c1f26", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d7dae0",
		"#5c6370", "#ff7a85", "#b5e890", "#ffd68a", "#7cc4ff", "#e29bf5", "#6fd3df", "#ffffff",
	}[color]
}

const (
	paper = "#1c1f26"
	plain = "#c8ccd4"
	quiet = "#7d8590"
)

// after is the ink that a sequence of a terminal leaves.
func (i ink) after(parameters string) ink {
	for part := range strings.SplitSeq(parameters, ";") {
		switch number, _ := strconv.Atoi(part); {
		case number == 0:
			i = ink{color: -1}
		case number == 1:
			i.bold = true
		case number == 2:
			i.faint = true
		case number == 4:
			i.underline = true
		case number == 7:
			i.invert = true
		case number >= 30 && number <= 37:
			i.color = number - 30
		case number >= 90 && number <= 97:
			i.color = number - 90 + 8
		}
	}
	return i
}

// colours are those of the letters and of what is behind them, "" for the paper.
func (i ink) colours() (front, back string) {
	front = plain
	switch {
	case i.color >= 0:
		front = palette(i.color)
	case i.faint:
		front = quiet
	}
	if i.invert {
		return paper, front
	}
	return front, ""
}

// run is letters of one ink, each with its column.
type run struct {
	ink     ink
	letters []string
	columns []int
	cells   int
}

// runs takes a line of a view apart.
func runs(line string) []run {
	var list []run
	current := run{ink: ink{color: -1}}
	column := 0
	flush := func(next ink) {
		if len(current.letters) > 0 {
			list = append(list, current)
		}
		current = run{ink: next}
	}
	for line != "" {
		if sequence, ok := strings.CutPrefix(line, "\x1b["); ok {
			parameters, rest, _ := strings.Cut(sequence, "m")
			flush(current.ink.after(parameters))
			line = rest
			continue
		}
		letter, width := ansi.FirstGraphemeCluster(line, ansi.GraphemeWidth)
		current.letters, current.columns = append(current.letters, letter), append(current.columns, column)
		current.cells += width
		column, line = column+width, line[len(letter):]
	}
	flush(ink{})
	return list
}

// picture draws a view as SVG. Every letter has its own place, so that no font can shift the columns.
func picture(view, title string) []byte {
	lines := strings.Split(view, "\n")
	width := 2*pictureRim + cellWidth*float64(ansi.StringWidth(lines[0]))
	height := 2*pictureRim + cellHeight*float64(len(lines))
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img">`+"\n",
		width, height, width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n", escaped(title))
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", paper)
	fmt.Fprintf(&b, `<g font-family="'DejaVu Sans Mono','Cascadia Mono',Menlo,Consolas,monospace" font-size="%d">`+"\n", fontSize)
	for row, line := range lines {
		for _, r := range runs(line) {
			r.draw(&b, pictureRim+cellHeight*float64(row))
		}
	}
	b.WriteString("</g>\n</svg>\n")
	return b.Bytes()
}

// draw writes one run at a height.
func (r *run) draw(b *bytes.Buffer, top float64) {
	front, back := r.ink.colours()
	left := pictureRim + cellWidth*float64(r.columns[0])
	if back != "" {
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", left, top,
			cellWidth*float64(r.cells), cellHeight, back)
	}
	look := fmt.Sprintf(`fill="%s"`, front)
	if r.ink.bold {
		look += ` font-weight="bold"`
	}
	if r.ink.underline {
		look += ` text-decoration="underline"`
	}
	for i := 0; i < len(r.letters); {
		end := i + 1
		x := pictureRim + cellWidth*float64(r.columns[i])
		if plainLetter(r.letters[i]) {
			for end < len(r.letters) && plainLetter(r.letters[end]) {
				end++
			}
		}
		for r.letters[i] == "─" && end < len(r.letters) && r.letters[end] == "─" {
			end++
		}
		width := cellWidth * float64(end-i)
		switch word := strings.Join(r.letters[i:end], ""); {
		case word == " ":
		case shape(word) != "":
			fmt.Fprintf(b, `<path d="%s" transform="translate(%.2f %.1f)" %s/>`+"\n", shape(word), x, top, strings.ReplaceAll(look, "fill", paintOf(word)))
		case word[0] < 0x80:
			fmt.Fprintf(b, `<text x="%.2f" y="%.1f" textLength="%.2f" %s>%s</text>`+"\n", x, top+baseline, width, look, escaped(word))
		default:
			fmt.Fprintf(b, `<text x="%.2f" y="%.1f" %s>%s</text>`+"\n", x, top+baseline, look, escaped(word))
		}
		i = end
	}
}

const baseline = cellHeight * 0.76

func plainLetter(letter string) bool { return len(letter) == 1 && letter != " " }

// paintOf tells how a shape is coloured: frames are lines, blocks are filled.
func paintOf(word string) string {
	if strings.ContainsAny(word, "─│╭╮╰╯┼┬┤├") {
		return `fill="none" stroke`
	}
	return "fill"
}

// shape draws frames and blocks exactly, which fonts do not; "" for all else.
func shape(word string) string {
	const w, h = cellWidth, cellHeight
	count := float64(strings.Count(word, "─"))
	up, down, left, right := fmt.Sprintf("M%.2f %.1fV0", w/2, h/2), fmt.Sprintf("M%.2f %.1fV%.1f", w/2, h/2, h),
		fmt.Sprintf("M%.2f %.1fH0", w/2, h/2), fmt.Sprintf("M%.2f %.1fH%.2f", w/2, h/2, w)
	corner := func(x, y float64) string {
		return fmt.Sprintf("M%.2f %.1fQ%.2f %.1f %.2f %.1f", w/2, y, w/2, h/2, x, h/2)
	}
	switch {
	case count > 0 && count == float64(len([]rune(word))):
		return fmt.Sprintf("M0 %.1fH%.2f", h/2, w*count)
	case word == "│":
		return up + down
	case word == "┼":
		return up + down + left + right
	case word == "┬":
		return left + right + down
	case word == "┤":
		return up + down + left
	case word == "├":
		return up + down + right
	case word == "╭":
		return corner(w, h)
	case word == "╮":
		return corner(0, h)
	case word == "╰":
		return corner(w, 0)
	case word == "╯":
		return corner(0, 0)
	}
	letter := []rune(word)[0]
	switch {
	case letter >= '▁' && letter <= '█':
		part := h * float64(letter-'▁'+1) / 8
		return fmt.Sprintf("M0 %.2fH%.2fV%.1fH0Z", h-part, w+0.1, h)
	case letter >= '▉' && letter <= '▏':
		return fmt.Sprintf("M0 0H%.2fV%.1fH0Z", w*float64('▏'-letter+1)/8, h)
	}
	return ""
}

func escaped(text string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(text)); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.String()
}

// pictured are the screens of the pictures, by name.
func pictured(t *testing.T) map[string]*Model {
	t.Helper()
	size := panel.Size{Width: 120, Height: 36}
	models := map[string]*Model{}
	for name, row := range map[string]struct {
		source *fake
		open   string
	}{
		"overview":  {scene(), ":put user/1042 \"Ada Lovelace\" @le"},
		"logs":      {logScene(), "2kkk<enter>"},
		"faults":    {owned(), "3<right><right><down><down>"},
		"ledger":    {ledgered(), "4<up><up><enter>"},
		"stuck":     {recordedStuck(t), "4<down><down><down><enter>"},
		"load":      {loadScene(), "6"},
		"violation": {violated(), "6"},
	} {
		models[name] = screen(t, row.source, size.Width, size.Height)
		keys(models[name], row.open)
		see(models[name], row.source)
	}
	models["keys"] = keysScreen(t, scene(), sceneStore(), size, "<down><down><down>C")
	return models
}

// TestPictures draws each screen as well-formed SVG, and writes the pictures if a folder is given.
func TestPictures(t *testing.T) {
	// Whoever draws the pictures may have no font with these; the words that stand for them are as wide.
	lettered := strings.NewReplacer("東京", "Oslo", "都", "to")
	for name, m := range pictured(t) {
		m.theme = theme.New(false)
		svg := picture(lettered.Replace(m.View()), "Synod: "+name)
		for decoder := xml.NewDecoder(bytes.NewReader(svg)); ; {
			token, err := decoder.Token()
			if token == nil {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if texts := strings.Count(string(svg), "<text"); texts < 20 {
			t.Errorf("the picture of %s has %d texts", name, texts)
		}
		if *pictures != "" {
			if err := os.WriteFile(filepath.Join(*pictures, name+".svg"), svg, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestRunsKeepInkAndPlace(t *testing.T) {
	list := runs("a\x1b[1;36m東b\x1b[0m c")
	if len(list) != 3 || list[1].ink != (ink{color: 6, bold: true}) || !slices.Equal(list[1].columns, []int{1, 3}) ||
		list[1].cells != 3 || list[2].columns[0] != 4 {
		t.Errorf("%+v", list)
	}
}
