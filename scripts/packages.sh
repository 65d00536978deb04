#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages that are missing, by name, when run as root; else prints the one line to run.
missing=
for package in "$@"; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null; then
	echo "these packages (Debian's names) are needed, and there is no apt-get here:$missing" >&2
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "missing packages; run: sudo apt-get install -y --no-install-recommends$missing" >&2
	exit 1
fi
echo "  APT $missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# shellcheck disable=SC2086
if ! { apt-get -o DPkg::Lock::Timeout=300 update && apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $missing; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	rm -f "$log"
	exit 1
fi
rm -f "$log"
