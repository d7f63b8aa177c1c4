#!/bin/sh
# Makes sure that a clang which compiles and links WebAssembly plugins in C and C++ is here. Where one works, this does
# nothing. On Debian and Ubuntu it installs the packages, as root or by sudo without a password. Elsewhere
# it says what to install, and exits with 1. "tools.sh check" only looks.
#
# One of the examples takes nlohmann/json, too. CLANG, WASI_SYSROOT and JSON_INCLUDE mean what they mean to the Makefile.
set -u

clang=${CLANG:-clang}
sysroot=${WASI_SYSROOT:+--sysroot=$WASI_SYSROOT}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# works tries what plugins need: the headers and libraries of both languages, the reactor start file, the compiler's
# run-time library and the linker.
works() {
	cat >"$work/reactor.c" <<-'EOF'
		#include <stdlib.h>
		__attribute__((export_name("handle"))) int handle(void) { return malloc(1) == NULL; }
	EOF
	cat >"$work/reactor.cpp" <<-'EOF'
		#include <string>
		extern "C" __attribute__((export_name("handle"))) int handle() { return (int)std::to_string(rand()).size(); }
	EOF
	builds reactor.c && builds reactor.cpp -fno-exceptions -lc++ -lc++abi && has_json
}

# has_json looks for the header-only library of the example quote.
has_json() {
	[ -f "${JSON_INCLUDE:-/usr/include}/nlohmann/json.hpp" ] || {
		echo "there is no ${JSON_INCLUDE:-/usr/include}/nlohmann/json.hpp" >"$work/log"
		return 1
	}
}

builds() {
	source=$1
	shift
	"$clang" --target=wasm32-wasi ${sysroot:+"$sysroot"} -O2 -mexec-model=reactor \
		-o "$work/reactor.wasm" "$work/$source" "$@" >"$work/log" 2>&1
}

give_up() {
	{
		echo "tools.sh: $1"
		echo
		echo "Building C and C++ plugins takes a clang with the WebAssembly target, wasm-ld, wasi-libc, and the"
		echo "compiler's run-time library and libc++ for wasm32 of the same version as clang; and the header"
		echo "nlohmann/json.hpp for an example. Either"
		echo
		echo "  Debian, Ubuntu: apt-get install clang lld wasi-libc libclang-rt-NN-dev-wasm32 \\"
		echo "                          libc++-NN-dev-wasm32 libc++abi-NN-dev-wasm32 nlohmann-json3-dev"
		echo "                  where NN is the version that clang --version tells"
		echo "  any system:     unpack a release of https://github.com/WebAssembly/wasi-sdk and set"
		echo "                  CLANG=.../bin/clang and WASI_SYSROOT=.../share/wasi-sysroot; have a release of"
		echo "                  https://github.com/nlohmann/json and set JSON_INCLUDE=.../include"
		if [ -s "$work/log" ]; then
			echo
			echo "this is what is wrong:"
			sed 's/^/  /' "$work/log"
		fi
	} >&2
	exit 1
}

works && exit 0

[ "${1:-}" != check ] || give_up "no clang that builds a plugin"
[ -z "${CLANG:-}${WASI_SYSROOT:-}" ] || give_up "the given CLANG and WASI_SYSROOT do not build a plugin"
command -v apt-get >/dev/null || give_up "no clang that builds a plugin, and this is neither Debian nor Ubuntu"
if [ "$(id -u)" -eq 0 ]; then
	sudo=
elif sudo -n true 2>/dev/null; then
	sudo=sudo
else
	give_up "no clang that builds a plugin, and installing one takes root"
fi

# A package source that cannot be reached need not be one that is needed.
$sudo apt-get update

# The version of the clang that is installed, or else of the one that would be.
version=$("$clang" -dumpversion 2>/dev/null | cut -d. -f1)
if [ -z "$version" ]; then
	version=$(apt-cache depends clang | sed -n 's/^ *Depends: clang-\([0-9][0-9]*\)$/\1/p' | head -n 1)
fi
runtime=$(apt-cache search --names-only 'libclang-rt-[0-9]*-dev-wasm32' | cut -d' ' -f1 | grep -x "libclang-rt-$version-dev-wasm32") ||
	give_up "there is no package libclang-rt-$version-dev-wasm32 for clang $version"

$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends clang lld wasi-libc "$runtime" \
	"libc++-$version-dev-wasm32" "libc++abi-$version-dev-wasm32" nlohmann-json3-dev ||
	give_up "apt-get install failed"

works || give_up "clang does not build a plugin with the packages installed"
