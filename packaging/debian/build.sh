#!/bin/sh
# SPDX-License-Identifier: MIT
# build.sh PROGRAM DIRECTORY: the Debian package of an executable that is built already, in DIRECTORY. The same input gives the same bytes.
set -eu
program=$(readlink -f "$1")
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$2"
output=$(cd "$2" && pwd)
work=$output/work
rm -rf "$work" "$output"/tailrace_*
mkdir -p "$work/examples" "$work/documents"
cp -r "$root/packaging/debian" "$work/debian"
cp "$root/README.md" "$root/DESIGN.md" "$work/documents"
cp "$root/packaging/systemd/tailrace.service" "$root/packaging/systemd/tailrace.sysusers" "$work/debian"
cp "$root"/packaging/systemd/*.conf "$work/examples"
cd "$work"
version=$(dpkg-parsechangelog -S Version)
if [ "$("$program" --version)" != "$version" ]; then
	echo "packaging/debian/changelog is about $version, and the executable is $("$program" --version): add an entry for it" >&2
	exit 1
fi
echo "  DEB  ${output#"$root"/}/tailrace_${version}_amd64.deb"
tree=$work/tree
make -s -C "$root" install-documents PROGRAM="$program" DESTDIR="$tree" PREFIX=/usr
# Debian's zsh looks for the files of packages here.
mv "$tree/usr/share/zsh/site-functions" "$tree/usr/share/zsh/vendor-completions"
# It is read, not run.
sed -i '1{/^#!/d}' "$tree/usr/share/bash-completion/completions/tailrace"
install -D -m 755 "$program" "$tree/usr/bin/tailrace"
install -D -m 755 "$root/packaging/systemd/tailrace-generator" "$tree/usr/lib/systemd/system-generators/tailrace-generator"
install -D -m 644 "$root/packaging/tailrace.conf" "$tree/etc/tailrace/tailrace.conf"
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -S Timestamp) DEB_RULES_REQUIRES_ROOT=no debian/rules binary >"$output/log" 2>&1 || {
	tail -n 20 "$output/log" >&2
	exit 1
}
