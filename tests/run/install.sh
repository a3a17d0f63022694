#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs into an empty directory, looks at what came, uninstalls, and looks that nothing is left.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
dest=$(mktemp -d) || exit 1
trap 'rm -rf "$dest"' EXIT

fail()
{
	echo "$@"
	find "$dest" -ls
	exit 1
}

cd "$top" || exit 1
./x0 install --destdir "$dest" || fail "install failed"
unit=$dest/usr/local/lib/systemd/system/x0.service
grep -q '^ExecStart=/usr/local/bin/x0 up --foreground$' "$unit" || fail "the unit does not start /usr/local/bin/x0"
[ -x "$dest/usr/local/bin/x0" ] || fail "the program was not installed"
[ -n "$("$dest/usr/local/bin/x0" version)" ] || fail "the installed program does not run"
[ -f "$dest/usr/local/share/doc/x0/monitoring/grafana/x0-mesh.json" ] || fail "the dashboards were not installed"

mkdir -p "$dest/etc/x0" "$dest/var/lib/x0"
echo mine >"$dest/etc/x0/x0.yaml"
./x0 uninstall --destdir "$dest" || fail "uninstall failed"
[ "$(find "$dest" -type f)" = "$dest/etc/x0/x0.yaml" ] || fail "not exactly what was installed is gone"
[ ! -d "$dest/usr/local/share/doc/x0" ] || fail "directories of ours are left"
./x0 uninstall --destdir "$dest" 2>/dev/null && fail "uninstalling twice succeeded"
./x0 install --prefix relative --destdir "$dest" 2>/dev/null && fail "a relative prefix was taken"
exit 0
