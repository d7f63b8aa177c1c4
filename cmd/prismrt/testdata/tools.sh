#!/bin/sh
# Installs strace, by which a test makes the disk slow, where it can be had: on Debian and Ubuntu, as root or
# by sudo without a password. Elsewhere that test is skipped, and says so.
command -v strace >/dev/null && exit 0
command -v apt-get >/dev/null || exit 0
sudo=
[ "$(id -u)" -eq 0 ] || sudo="sudo -n"
if ! { $sudo apt-get install -y strace || { $sudo apt-get update && $sudo apt-get install -y strace; }; } >/dev/null 2>&1; then
	echo "tools.sh: strace could not be installed; the test with a slow disk is skipped" >&2
fi
exit 0
