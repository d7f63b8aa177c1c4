package project

import "context"

var assemblyscript = &Language{
	Name: "assemblyscript", Title: "AssemblyScript", Test: []string{"npm", "test"},
	prepare: func(*Project) []string { return []string{"npm install"} },
	mark:    "asconfig.json",
	marks:   func(p *Project) bool { return p.has("asconfig.json") },
	makes:   []string{"node_modules", "package-lock.json"},
	needs:   []tool{{name: "npm", install: "install Node.js 20 or later, which brings it: https://nodejs.org, or your system's packages nodejs and npm"}},
	build: func(_ context.Context, p *Project) ([]step, string) {
		var steps []step
		if !p.has("node_modules/.package-lock.json") {
			steps = append(steps, step{argv: []string{"npm", "install", "--no-audit", "--no-fund"}})
		}
		return append(steps, step{argv: []string{"npm", "run", "--silent", "build"}}), p.path("plugin.wasm")
	},
}
