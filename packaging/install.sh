#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what ./x0 has built; ./x0 install starts it.
set -u
top=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1
# shellcheck source=scripts/progress.sh
. "$top/scripts/progress.sh"
# shellcheck source=packaging/common.sh
. "$top/packaging/common.sh"

build=$top/build
read_options install "$@"

with_progress "configuring for $prefix" "$build/x0-setup.log" \
	meson configure "$build" -Dprefix="$prefix" -Dsysconfdir=/etc -Dlocalstatedir=/var || exit 1
# What is installed, and not the tests beside it, which take several times as long.
targets=$(meson introspect --targets "$build" | python3 -c '
import json, os, sys
for target in json.load(sys.stdin):
    if target["installed"]:
        print(*(os.path.relpath(name, sys.argv[1]) for name in target["filename"]), sep="\n")' "$build")
[ -n "$targets" ] || die "meson does not tell what is installed"
# shellcheck disable=SC2086 # a list of words
with_progress "building" "$build/x0-build.log" ninja -C "$build" $targets || exit 1

if [ -z "$destdir" ]; then
	as_root groupadd --system x0 2>/dev/null
	as_root useradd --system --gid x0 --home-dir /var/lib/x0 --no-create-home \
		--shell /usr/sbin/nologin x0 2>/dev/null
	getent group x0 >/dev/null || die "the group x0 could not be made"
	getent passwd x0 >/dev/null || die "the user x0 could not be made"
fi
as_root env DESTDIR="$destdir" meson install -C "$build" --no-rebuild --quiet || exit 1

# What was installed, for uninstall: it must not depend on a build directory that may be gone.
grep -v '^#' "$build/meson-logs/install-log.txt" >"$build/x0-installed"
as_root install -D -m 0644 "$build/x0-installed" "$destdir$manifest" || exit 1

if [ -z "$destdir" ] && systemd_runs; then
	as_root systemctl daemon-reload
	say "installed; start it with: x0 init (first machine) or x0 join (any further)"
else
	say "installed under $destdir$prefix"
fi
[ -n "$destdir" ] || say "members of the group x0 may use it without being root: usermod -aG x0 NAME"
