package app

import (
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	tea "github.com/charmbracelet/bubbletea"

	"synod/console/theme"
)

// hostile changes what replicas have told into anything that a broken or malicious one may tell: the types of the
// protocol hold nothing that could be relied on.
type hostile struct {
	random *rand.Rand
	// inside tells that the value came from a replica.
	inside bool
}

var hostileTexts = []string{
	"", "\x1b[2J\x1b]0;owned\x07", "\u202eevil\u202c\u2066", "東京東京東京", "\xff\xfe\x80", "a\r\nb\tc\x00d", "\u009b31m\u0090", "r1", "r99",
	"👩‍👩‍👧‍👦e\u0301\u200b", "12.r1", "18446744073709551616.r1", "-1.r2", "paused", "acceptor", "cut", "*", "\u2028line\u0085", "r1.r2.r3#7",
}

func (h *hostile) text() string {
	text := hostileTexts[h.random.IntN(len(hostileTexts))]
	if h.random.IntN(8) == 0 {
		text = strings.Repeat(text, 1+h.random.IntN(200))
	}
	return text
}

func (h *hostile) integer() int64 {
	return []int64{0, 1, -1, 5, math.MaxInt64, math.MinInt64, math.MaxInt32, 1 << 40, h.random.Int64N(100_000)}[h.random.IntN(9)]
}

// change goes through a value, and changes one in a few of what came from replicas.
func (h *hostile) change(v reflect.Value) {
	if !v.CanSet() {
		return
	}
	if v.Type() == reflect.TypeFor[time.Time]() {
		if h.inside && h.random.IntN(6) == 0 {
			v.Set(reflect.ValueOf(time.Unix(h.integer()>>20, 0)))
		}
		return
	}
	inside := h.inside
	h.inside = inside || v.Kind() == reflect.Struct && strings.HasSuffix(v.Type().PkgPath(), "synod/protocol")
	defer func() { h.inside = inside }()
	hit := h.inside && h.random.IntN(6) == 0
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			h.change(v.Field(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			h.change(v.Elem())
		}
	case reflect.Slice:
		h.list(v, hit)
	case reflect.String:
		if hit {
			v.SetString(h.text())
		}
	case reflect.Bool:
		if hit {
			v.SetBool(!v.Bool())
		}
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Int16, reflect.Int8:
		if hit {
			v.SetInt(h.integer())
		}
	case reflect.Uint, reflect.Uint64, reflect.Uint32, reflect.Uint16, reflect.Uint8:
		if hit {
			v.SetUint(uint64(h.integer()))
		}
	}
}

// list copies a list, which the scenes share, and changes its length and its elements.
func (h *hostile) list(v reflect.Value, hit bool) {
	length := v.Len()
	if hit && h.random.IntN(3) == 0 {
		length = []int{0, 1, 3, 60, 256}[h.random.IntN(5)]
	}
	list := reflect.MakeSlice(v.Type(), length, length)
	for i := range length {
		if v.Len() > 0 {
			list.Index(i).Set(v.Index(i % v.Len()))
		}
		h.change(list.Index(i))
	}
	v.Set(list)
}

// TestNothingThatReplicasTellBreaksTheScreen draws all pages at random sizes from answers that make no sense: each frame
// is exactly as large as the terminal, and holds nothing that a terminal would obey.
func TestNothingThatReplicasTellBreaksTheScreen(t *testing.T) {
	rounds := 25
	if os.Getenv("SYNOD_SOAK") != "" {
		rounds = 300
	}
	seed := rand.Uint64()
	scenes := []func() *fake{scene, faulty, owned, ledgered, loadScene, violated, wideScene}
	for round := range rounds {
		h := &hostile{random: rand.New(rand.NewPCG(seed, uint64(round)))}
		f := scenes[h.random.IntN(len(scenes))]()
		h.change(reflect.ValueOf(&f.replicas).Elem())
		h.change(reflect.ValueOf(&f.ledger).Elem())
		for i := range f.replicas {
			if h.random.IntN(4) == 0 {
				f.replicas[i].Err = h.text()
			}
		}
		f.keys = wideStore().answer(newPages()[4].want().Keys)
		m := screen(t, f, 120, 36)
		m.look = theme.Look{Plain: round%3 > 0}
		m.theme = theme.From(m.look)
		for at := range m.pages {
			m.open(at)
			keys(m, []string{"", "<enter>", "<tab>", "G", "j", "+", "<down><down><right><right>"}[h.random.IntN(7)])
			m.focus, m.ask = onPage, nil
			for range 3 {
				m.Update(tea.WindowSizeMsg{Width: 1 + h.random.IntN(250), Height: 1 + h.random.IntN(80)})
				see(m, f)
				view := m.View()
				checkSize(t, view, m.size)
				checkHarmless(t, view, m.look.Plain)
				if t.Failed() {
					t.Fatalf("seed %d round %d (set the seed in this test to replay), page %d at %v:\n%q", seed, round, at+1, m.size, view)
				}
			}
		}
	}
}

// checkHarmless looks for what a terminal would obey or show in another place. With colours a style is all that may be.
func checkHarmless(t *testing.T, view string, plain bool) {
	t.Helper()
	if !utf8.ValidString(view) {
		t.Error("the frame is no UTF-8")
	}
	runes := []rune(view)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case r == 0x1b && !plain && i+1 < len(runes) && runes[i+1] == '[':
			for i += 2; i < len(runes) && (runes[i] >= '0' && runes[i] <= '9' || runes[i] == ';' || runes[i] == ':'); i++ {
			}
			if i >= len(runes) || runes[i] != 'm' {
				t.Error("the frame holds an escape sequence that is no style")
			}
		case r == '\n':
		case r < ' ', r >= 0x7f && r < 0xa0, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x2028, r == 0x2029:
			t.Errorf("the frame holds %U", r)
		}
	}
}

// TestNothingButEnterDecides: no letter, click, turn of the wheel or paste changes the cluster, whatever came before it.
// What runs without Enter only looks, or is about the load of this program.
func TestNothingButEnterDecides(t *testing.T) {
	rounds := 2
	if os.Getenv("SYNOD_SOAK") != "" {
		rounds = 40
	}
	seed := rand.Uint64()
	scenes := []func() *fake{scene, faulty, owned, ledgered, loadScene}
	for round := range rounds * len(scenes) {
		random := rand.New(rand.NewPCG(seed, uint64(round)))
		f := scenes[round%len(scenes)]()
		m := screen(t, f, 40+random.IntN(120), 8+random.IntN(40))
		for range 200 {
			switch random.IntN(10) {
			case 0:
				see(m, f)
			case 1, 2, 3:
				buttons := []tea.MouseButton{tea.MouseButtonLeft, tea.MouseButtonRight, tea.MouseButtonMiddle, tea.MouseButtonWheelDown}
				actions := []tea.MouseAction{tea.MouseActionPress, tea.MouseActionPress, tea.MouseActionRelease, tea.MouseActionMotion}
				_, cmd := m.Update(tea.MouseMsg{
					X: random.IntN(170) - 5, Y: random.IntN(60) - 5, Button: buttons[random.IntN(4)], Action: actions[random.IntN(4)],
				})
				settle(m, cmd)
			case 4:
				m.Update(tea.KeyMsg{Type: tea.KeyRunes, Paste: true, Runes: []rune("crash r1 --yes\nheal\ny\n\r")})
			case 5:
				name := []string{"esc", "tab", "shift+tab", "up", "down", "left", "right", "pgup", "pgdown", "ctrl+r", "backspace", "home"}
				_, cmd := m.Update(named(name[random.IntN(len(name))]))
				settle(m, cmd)
			default:
				keys(m, string(rune(' '+random.IntN('~'-' ')))) // "<" alone is a letter, too
			}
			m.View()
		}
		for _, line := range f.submitted {
			verb, rest, _ := strings.Cut(line, " ")
			looks := verb == "slot" || verb == "get" || verb == "load" && (rest == "save" || strings.HasPrefix(rest, "apply"))
			if !looks {
				t.Errorf("seed %d round %d (set the seed in this test to replay): %q ran without Enter", seed, round, line)
			}
		}
		if len(f.answers) > 0 {
			t.Errorf("seed %d round %d: answers %q to no question", seed, round, f.answers)
		}
	}
}
