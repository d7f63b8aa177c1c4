#!/bin/sh
# Makes sure that the AssemblyScript compiler of package-lock.json is here, in node_modules: where it is, this does
# nothing, otherwise npm fetches it. Without Node it says what to install, and exits with 1. "tools.sh check" only looks.
set -u
cd "$(dirname "$0")" || exit 1

give_up() {
	echo "tools.sh: $1" >&2
	echo "Building AssemblyScript plugins takes Node 20 or newer with npm, of https://nodejs.org or Debian's nodejs and npm, and the packages of sdk/assemblyscript/package-lock.json: npm ci" >&2
	exit 1
}

# npm leaves in node_modules what it installed: the packages of the lock, but for the project itself.
works() {
	node -e '
		const { readFileSync } = require("node:fs");
		const packages = (file) => JSON.parse(readFileSync(file)).packages;
		const installed = packages("node_modules/.package-lock.json");
		for (const [path, { version, optional }] of Object.entries(packages("package-lock.json"))) {
			if (path !== "" && !optional && installed[path]?.version !== version) process.exit(1);
		}
	' 2>/dev/null
}

command -v node >/dev/null || give_up "there is no node"
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || give_up "node is older than 20"
works && exit 0
[ "${1:-}" != check ] || give_up "the compiler is not installed"
command -v npm >/dev/null || give_up "there is no npm"
npm ci --no-audit --no-fund || give_up "npm ci failed"
works || give_up "npm ci did not install what package-lock.json says"
