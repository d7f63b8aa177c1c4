package abi

import (
	"fmt"
	"strings"
)

// Page returns the contract for people, in Markdown.
func (c Contract) Page() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# The prism contract, version %s

What a prismrt server gives its guests, and what it asks of them. This page is written from [prism.toml](prism.toml), by
`+"`go test ./sdk/abi -update`"+`; the server and every SDK are checked against that file.

A guest imports functions from the module %s and exports handlers. Pointers, offsets, lengths and capacities are i32
without a sign, in bytes of the guest's memory; no pointer outlives a call, and nothing has to be exported for
allocation. Text is UTF-8 and needs no zero at its end. **Refused** is %d; the reason goes to the log. A function that reads
outside the guest's memory traps, as the guest's own load would.

The first number of the version changes when something changes that guests rely on, the second when something is added. No
guest asks for it: what it needs it imports, and an upload that imports what the server does not have is refused by
its name.

## Functions

`, c.Version, "`"+c.Module+"`", c.Refused)
	c.functions(&b, c.Functions)

	b.WriteString("\n## Keys of `call_get`\n\n| key | value |\n|---|---|\n")
	for _, key := range c.CallKeys {
		fmt.Fprintf(&b, "| `%s` | %s |\n", key.Name, key.Value)
	}

	b.WriteString("\n## Levels of `log`\n\n| level | |\n|---|---|\n")
	for _, level := range c.Levels {
		fmt.Fprintf(&b, "| %d | %s |\n", level.Value, level.Name)
	}

	b.WriteString("\n## Limits\n\n| at most | of |\n|---|---|\n")
	for _, limit := range c.Limits {
		fmt.Fprintf(&b, "| %d %s | %s |\n", limit.Value, limit.Unit, limit.Of)
	}

	b.WriteString("\n## Exports of a guest\n\n")
	c.functions(&b, c.Exports)
	return b.String()
}

func (Contract) functions(b *strings.Builder, all []Function) {
	b.WriteString("| function | |\n|---|---|\n")
	for _, f := range all {
		does := f.Does
		if f.Optional {
			does = "Optional. " + does
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", f, does)
	}
}
