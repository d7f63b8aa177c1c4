package profile

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// Measures of a flame graph, in pixels.
const (
	flameWidth  = 1200
	flameMargin = 10
	flameRow    = 17
	flameHead   = 66   // above the frames: title, times, a note
	flameChar   = 6.6  // of a letter, at most
	flameLeast  = 0.25 // a frame narrower than this is left out, with those upon it
)

// box is a function in a flame graph: all stacks that have it after the same callers.
type box struct {
	name        string
	value, base int64
	inner       []*box
}

func (b *box) put(names []string, value, base int64) {
	b.value += value
	b.base += base
	if len(names) == 0 {
		return
	}
	i := slices.IndexFunc(b.inner, func(in *box) bool { return in.name == names[0] })
	if i < 0 {
		i = len(b.inner)
		b.inner = append(b.inner, &box{name: names[0]})
	}
	b.inner[i].put(names[1:], value, base)
}

// flame draws one graph.
type flame struct {
	*bufio.Writer
	root  *box
	diff  bool
	depth int // of the highest tower
	unit  string
	scale float64 // pixels for one of the weight
}

// WriteSVG draws a flame graph: callers below what they call, as wide as what it
// weighs. Each frame has a tooltip. It is a file by itself without scripts. With a base,
// which may be nil, frames are red where their share has grown since, and blue where it
// has shrunk.
func (p *Profile) WriteSVG(w io.Writer, base *Profile, by Weight) error {
	f := &flame{Writer: bufio.NewWriter(w), root: &box{name: "all"}, diff: base != nil, unit: "instructions"}
	if by == ByHost {
		f.unit = "us on the host"
	}
	for _, line := range p.fold(base, by) {
		names := strings.Split(line.stack, ";")
		if line.value > 0 {
			f.depth = max(f.depth, len(names))
		}
		f.root.put(names, line.value, line.base)
	}
	height := flameHead + (f.depth+1)*flameRow + flameMargin
	f.printf(`<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<svg xmlns="http://www.w3.org/2000/svg" version="1.1" width="%d" height="%d" viewBox="0 0 %d %d" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11">
<style>rect{stroke:#fff;stroke-width:.5} g:hover rect{stroke:#000;stroke-width:1} text{pointer-events:none}</style>
<rect width="100%%" height="100%%" fill="#fafafa"/>
`, flameWidth, height, flameWidth, height)
	title := fmt.Sprintf("%s version %d: %s", p.Ref.Plugin, p.Ref.Version, map[Weight]string{ByFuel: "fuel", ByHost: "time waited on the host"}[by])
	times := fmt.Sprintf("%s to %s, %s %s in %s samples", clock(p.From), clock(p.To), humanize.Comma(f.root.value), f.unit, humanize.Comma(p.Total.Samples))
	if base != nil {
		title += fmt.Sprintf(", beside version %d from %s to %s", base.Ref.Version, clock(base.From), clock(base.To))
		times += "; red has grown in share, blue has shrunk"
	}
	note := Note
	if f.root.value == 0 {
		note = "nothing was sampled in this time"
	}
	f.printf(`<text x="%d" y="22" font-size="15">%s</text><text x="%d" y="40">%s</text><text x="%d" y="56" fill="#666">%s</text>`+"\n",
		flameMargin, escaped(title), flameMargin, escaped(times), flameMargin, escaped(note))
	if f.root.value > 0 {
		f.scale = float64(flameWidth-2*flameMargin) / float64(f.root.value)
		f.draw(f.root, flameMargin, 0)
	}
	f.printf("</svg>\n")
	return f.Flush()
}

func (f *flame) printf(format string, args ...any) { fmt.Fprintf(f, format, args...) }

// draw draws a box and those upon it.
func (f *flame) draw(b *box, x float64, level int) {
	width := float64(b.value) * f.scale
	if width < flameLeast {
		return
	}
	y := flameHead + (f.depth-level)*flameRow
	tip := fmt.Sprintf("%s: %.2f%%, %s %s", b.name, 100*share(b.value, f.root.value), humanize.Comma(b.value), f.unit)
	fill := warm(b.name)
	if f.diff {
		points := 100 * (share(b.value, f.root.value) - share(b.base, f.root.base))
		tip += fmt.Sprintf(", %+.2f points", points)
		fill = shifted(points)
	}
	f.printf(`<g><title>%s</title><rect x="%.2f" y="%d" width="%.2f" height="%d" rx="1" fill="%s"/>`, escaped(tip), x, y, width, flameRow-1, fill)
	if fits := int((width - 6) / flameChar); fits >= 3 {
		f.printf(`<text x="%.2f" y="%d">%s</text>`, x+3, y+12, escaped(shortened(b.name, fits)))
	}
	f.printf("</g>\n")
	for _, in := range b.inner {
		f.draw(in, x, level+1)
		x += float64(in.value) * f.scale
	}
}

// shortened is as much of a name as fits, in letters.
func shortened(name string, fits int) string {
	if utf8.RuneCountInString(name) <= fits {
		return name
	}
	return string([]rune(name)[:fits-2]) + ".."
}

// warm is a colour from red to yellow, the same for the same name; functions of the host
// and what is none are cool.
func warm(name string) string {
	h := fnv.New32a()
	_, _ = io.WriteString(h, name) // never fails
	n := h.Sum32()
	if strings.HasPrefix(name, hostPrefix) || strings.HasPrefix(name, "(") || name == Start || name == "all" {
		return fmt.Sprintf("hsl(%d,35%%,%d%%)", 195+n%30, 72+n>>8%8)
	}
	return fmt.Sprintf("hsl(%d,85%%,%d%%)", 8+n%44, 60+n>>8%12)
}

// shifted is a colour for a difference in points: white for none, strong from 20 on.
func shifted(points float64) string {
	strength := min(1, max(points, -points)/20)
	other := int(245 - 175*strength)
	if points >= 0 {
		return fmt.Sprintf("rgb(245,%d,%d)", other, other)
	}
	return fmt.Sprintf("rgb(%d,%d,245)", other, other)
}

// escaped is text as XML has it, and nothing that XML does not have.
func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // never fails
	return b.String()
}
