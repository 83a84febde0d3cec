package theme

// glyphs gives the signs for states. The ascii set is for terminals and fonts that have no others.
func glyphs(ascii bool) Glyphs {
	if ascii {
		return Glyphs{
			Running: "+", Paused: "=", Down: "x", Recovering: "~", Unknown: "?", Leader: "*", Failed: "x",
			Select: ">", Open: "v", Shut: ">", Asked: "o", Accepted: "+", Applied: "#", Absent: "x",
			Good: "+", Slow: "~", Self: ".", Follow: "*", Dot: "-", Ellipsis: "~", Arrow: ">",
			Prompt: ":", Spinner: []string{"|", "/", "-", `\`},
		}
	}
	return Glyphs{
		Running: "●", Paused: "‖", Down: "✕", Recovering: "◐", Unknown: "?", Leader: "★", Failed: "✕",
		Select: "▸", Open: "▾", Shut: "▸", Asked: "○", Accepted: "●", Applied: "◆", Absent: "✕",
		Good: "✓", Slow: "≈", Self: "·", Follow: "●", Dot: "·", Ellipsis: "…", Arrow: "→",
		Prompt: ":", Spinner: []string{"◜", "◝", "◞", "◟"},
	}
}

func border(kind string) Border {
	switch kind {
	case "plain":
		return Border{"┌", "┐", "└", "┘", "─", "│", "┼", "┬", "┤", "├"}
	case "ascii":
		return Border{"+", "+", "+", "+", "-", "|", "+", "+", "|", "|"}
	}
	return Border{"╭", "╮", "╰", "╯", "─", "│", "┼", "┬", "┤", "├"}
}

func spark(kind string) Spark {
	switch kind {
	case "braille":
		return Spark{
			Levels: []string{"⣀", "⣤", "⣶", "⣿"}, Parts: []string{"⡇", "⣿"}, Shade: "⣀", None: "_",
		}
	case "ascii":
		return Spark{Levels: []string{".", ":", "|", "#"}, Parts: []string{"#"}, Shade: ".", None: "_"}
	}
	return Spark{
		Levels: []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
		Parts:  []string{"▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"}, Shade: "▒", None: "_",
	}
}
