#!/bin/sh
# each.sh TARGET makes a target of each SDK: of every folder here that has a Makefile.
#
# An SDK with a tools.sh is passed over where its toolchain is not here, with the sentence that tools.sh says; where
# CI is set, that is an error. tools.sh installs what is missing, tools.sh check only looks. It ends with
#
#	0   the toolchain is here
#	1   it is not
#	69  it cannot be had on this system (EX_UNAVAILABLE of sysexits.h), which is no error in CI either
set -u
cd "$(dirname "$0")" || exit 1
target=${1:?usage: each.sh TARGET}

for makefile in */Makefile; do
	sdk=${makefile%/Makefile}
	if [ -f "$sdk/tools.sh" ] && [ "$target" != clean ]; then
		how=check
		[ "$target" != tools ] || how=
		sh "$sdk/tools.sh" $how
		status=$?
		if [ $status -ne 0 ]; then
			echo "each.sh: $sdk is passed over: its toolchain is not here" >&2
			[ $status -eq 69 ] || [ -z "${CI:-}" ] || exit 1
			continue
		fi
	fi
	[ "$target" = tools ] || "${MAKE:-make}" -C "$sdk" "$target" || exit 1
done
