package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/mattn/go-isatty"
)

// terminal is where a command reads and writes.
type terminal struct {
	in       io.Reader
	out, err io.Writer

	// A person sits at the other end of in, or looks at err, or at out.
	typed, watched, shown bool
}

// standard returns the standard streams of the process.
func standard() *terminal {
	return &terminal{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		typed: isTerminal(os.Stdin), watched: isTerminal(os.Stderr), shown: isTerminal(os.Stdout),
	}
}

func isTerminal(f *os.File) bool {
	return isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd())
}

// printf writes text for a person to standard output.
func (t *terminal) printf(format string, args ...any) error {
	_, err := io.WriteString(t.out, printable(fmt.Sprintf(format, args...)))
	return err
}

// complain writes text for a person to standard error. There is nowhere left to
// say that it failed.
func (t *terminal) complain(format string, args ...any) {
	_, _ = io.WriteString(t.err, printable(fmt.Sprintf(format, args...)))
}

// json writes a value to standard output.
func (t *terminal) json(value any) error {
	enc := json.NewEncoder(t.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(value)
}

// table writes rows under a header. The columns named in right hold numbers.
func (t *terminal) table(header table.Row, rows []table.Row, right ...string) error {
	w := table.NewWriter()
	w.SetStyle(table.Style{
		Box:    table.BoxStyle{PaddingRight: "   "},
		Format: table.FormatOptions{Header: text.FormatUpper},
	})
	var columns []table.ColumnConfig
	for _, name := range right {
		columns = append(columns, table.ColumnConfig{Name: name, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	w.SetColumnConfigs(columns)
	w.SuppressTrailingSpaces()
	w.AppendHeader(header)
	w.AppendRows(rows)
	return t.printf("%s\n", w.Render())
}

// printable replaces what could steer a terminal: names, messages and log lines
// come from plugins, whose authors the reader need not trust.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsGraphic(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// orDash returns "-" for a value that is zero, which in a table would look as
// if it had been forgotten or, for a version, as if there were a version 0.
func orDash[T comparable](value T) any {
	var zero T
	if value == zero {
		return "-"
	}
	return value
}
