#!/bin/sh
# Makes sure that a rustc which builds WebAssembly programs is here: RUSTC, or /usr/bin/rustc. Where it does, this
# does nothing. On Debian and Ubuntu it installs the packages, as root or by sudo without a password. Elsewhere
# it says what to install, and exits with 1.
set -u

rustc=${RUSTC:-/usr/bin/rustc}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
echo 'fn main() {}' >"$work/main.rs"

works() {
	for target in wasm32-wasip1 wasm32-wasi; do
		"$rustc" --target $target -o "$work/main.wasm" "$work/main.rs" >"$work/log" 2>&1 && return 0
	done
	return 1
}

give_up() {
	{
		echo "tools.sh: $1"
		echo
		echo "The tests of profiles build a program in Rust. Either"
		echo
		echo "  Debian, Ubuntu: apt-get install rustc libstd-rust-dev-wasm32 lld"
		echo "  any system:     rustup target add wasm32-wasip1, and set RUSTC=rustc"
		[ ! -s "$work/log" ] || sed 's/^/  /' "$work/log"
	} >&2
	exit 1
}

works && exit 0
[ -z "${RUSTC:-}" ] || give_up "the given RUSTC does not build a program"
command -v apt-get >/dev/null || give_up "no rustc that builds a program, and this is neither Debian nor Ubuntu"
if [ "$(id -u)" -eq 0 ]; then
	sudo=
elif sudo -n true 2>/dev/null; then
	sudo=sudo
else
	give_up "no rustc that builds a program, and installing one takes root"
fi

# A package source that cannot be reached need not be one that is needed.
$sudo apt-get update
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends rustc libstd-rust-dev-wasm32 lld ||
	give_up "apt-get install failed"
works || give_up "rustc does not build a program with the packages installed"
