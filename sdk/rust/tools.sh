#!/bin/sh
# Makes sure that a rustc which builds plugins is here, and writes down in toolchain.mk, for the Makefile, which:
# RUSTC and TARGET where they are set, or else the first that works of rustc in the path and /usr/bin/rustc. Where
# none does, on Debian and Ubuntu it installs the packages, as root or by sudo without a password. Elsewhere it says
# what to install, and exits with 1. "tools.sh check" only looks.
set -u
cd "$(dirname "$0")" || exit 1

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
echo '#[no_mangle] pub extern "C" fn handle() -> i32 { vec![0; 1][0] }' >"$work/reactor.rs"

# works tries what a plugin needs: the standard library for the target, and the linker. wasm32-wasi is what
# wasm32-wasip1 was called before Rust 1.78.
works() {
	for rustc in ${RUSTC:-rustc /usr/bin/rustc}; do
		command -v "$rustc" >/dev/null || continue
		for target in ${TARGET:-wasm32-wasip1 wasm32-wasi}; do
			if "$rustc" --crate-type cdylib --target "$target" -o "$work/reactor.wasm" "$work/reactor.rs" >"$work/log" 2>&1; then
				printf 'RUSTC := %s\nTARGET := %s\n' "$rustc" "$target" >"$work/toolchain.mk"
				# What is built stays as it is while the toolchain does.
				cmp -s "$work/toolchain.mk" toolchain.mk || cp "$work/toolchain.mk" toolchain.mk
				return 0
			fi
		done
	done
	return 1
}

give_up() {
	{
		echo "tools.sh: $1"
		echo
		echo "Building Rust plugins takes Rust 1.63 or later with a target for WebAssembly. Either"
		echo
		echo "  any system:     rustup target add wasm32-wasip1"
		echo "  Debian, Ubuntu: apt-get install rustc libstd-rust-dev-wasm32 lld"
		if [ -s "$work/log" ]; then
			echo
			sed 's/^/  /' "$work/log"
		fi
	} >&2
	exit 1
}

works && exit 0

[ "${1:-}" != check ] || give_up "no rustc that builds a plugin"
[ -z "${RUSTC:-}${TARGET:-}" ] || give_up "the given RUSTC and TARGET do not build a plugin"
command -v apt-get >/dev/null || give_up "no rustc that builds a plugin, and this is neither Debian nor Ubuntu"
if [ "$(id -u)" -eq 0 ]; then
	sudo=
elif sudo -n true 2>/dev/null; then
	sudo=sudo
else
	give_up "no rustc that builds a plugin, and installing one takes root"
fi

# A package source that cannot be reached need not be one that is needed.
$sudo apt-get update
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends rustc libstd-rust-dev-wasm32 lld ||
	give_up "apt-get install failed"
works || give_up "rustc does not build a plugin with the packages installed"
