package app

import (
	"testing"

	"synod/console/theme"
)

// BenchmarkFrame is what one look costs: Update with a snapshot and View, for each page, coloured, at 120x36. Ten of
// them a second must cost less than 5 % of a core: 5 ms each.
func BenchmarkFrame(b *testing.B) {
	for at, p := range newPages() {
		long, _ := p.title()
		b.Run(long, func(b *testing.B) {
			f := scene()
			m := screen(b, f, 120, 36)
			m.theme = theme.New(false)
			m.open(at)
			see(m, f)
			b.ReportAllocs()
			for b.Loop() {
				see(m, f)
				if len(m.View()) == 0 {
					b.Fatal("nothing was drawn")
				}
			}
		})
	}
}
