#!/bin/sh
# Makes sure that a Zig 0.17 is here, and writes down in toolchain.mk, for the Makefile, which: ZIG where it is set,
# zig in the path, or the one this installs, by pip from PyPI's package ziglang, whose digest requirements.txt has, into
# .tools at the top of the repository. Where that cannot be had it says what to install, and exits with 1.
# "tools.sh check" only looks.
set -u
cd "$(dirname "$0")" || exit 1

top=$(cd ../.. && pwd)
installed=$top/.tools/zig-0.17.1

works() {
	for zig in ${ZIG:-zig "$installed/ziglang/zig"}; do
		case $("$zig" version 2>/dev/null) in
		0.17.*)
			[ "$(cat toolchain.mk 2>/dev/null)" = "ZIG := $zig" ] || echo "ZIG := $zig" >toolchain.mk
			return 0
			;;
		esac
	done
	return 1
}

give_up() {
	{
		echo "tools.sh: $1"
		echo
		echo "Building Zig plugins takes Zig 0.17. Either"
		echo
		echo "  any system: pip install ziglang==0.17.1, and set ZIG to the zig in that package"
		echo "  any system: unpack a release of https://ziglang.org/download, and have zig in the path"
	} >&2
	exit 1
}

works && exit 0

[ "${1:-}" != check ] || give_up "no Zig 0.17"
[ -z "${ZIG:-}" ] || give_up "the given ZIG is not 0.17"
python3 -m pip --version >/dev/null 2>&1 || give_up "no Zig 0.17, and no pip to install it"
rm -rf "$installed"
python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes --root-user-action ignore \
	--target "$installed" -r requirements.txt >&2 || give_up "pip install failed"
works || give_up "the package ziglang does not work"
