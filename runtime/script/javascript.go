package script

import (
	"embed"
	"strings"
)

//go:embed javascript
var pieces embed.FS

// javascript is what QuickJS is started with: a function that gets that of driver/quickjs.c,
// reads a script, makes it ready, and has it serve one call, for which the host brings it back
// to where it first looks at the call's input. Each read that nothing precedes is a checkpoint:
// all scripts share what is before the first, and all calls of a script what is before the
// second.
var javascript = func() string {
	var b strings.Builder
	b.WriteString("(host => {\n'use strict';\n")
	for _, name := range []string{"io", "show", "errors", "promises", "web", "node", "script"} {
		text, err := pieces.ReadFile("javascript/" + name + ".js")
		if err != nil {
			panic("script: " + err.Error())
		}
		b.Write(text)
	}
	b.WriteString("return main();\n})\n")
	return b.String()
}()
