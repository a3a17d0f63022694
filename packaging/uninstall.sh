#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Removes what ./x0 install put there, and nothing else; ./x0 uninstall starts it.
set -u
top=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1
# shellcheck source=scripts/progress.sh
. "$top/scripts/progress.sh"
# shellcheck source=packaging/common.sh
. "$top/packaging/common.sh"

read_options uninstall "$@"
[ -f "$destdir$manifest" ] || die "nothing is installed under $destdir$prefix (no $destdir$manifest)"

# Down also where it does not run: what one that was killed left on this host goes with it.
if [ -z "$destdir" ]; then
	! systemd_runs || as_root systemctl disable --now x0.service 2>/dev/null
	as_root "$prefix/bin/x0" down >/dev/null || say "what x0 left on this host could not all be removed"
fi

while read -r file; do
	case $file in
	*/../* | '') continue ;;
	"$destdir$prefix"/*) ;;
	*) continue ;; # what lies outside, such as /etc/x0, stays
	esac
	[ -d "$file" ] && [ ! -L "$file" ] && continue
	as_root rm -f "$file" || exit 1
done <"$destdir$manifest"
as_root rm -f "$destdir$manifest"
doc=$destdir$prefix/share/doc/x0
as_root rmdir "$destdir$prefix/share/x0" "$doc/monitoring/grafana" "$doc/monitoring" "$doc" 2>/dev/null

[ -n "$destdir" ] || ! systemd_runs || as_root systemctl daemon-reload
say "removed. Kept, because they are yours: /etc/x0 (configuration), /var/lib/x0 (identity and"
say "keys) and the user and group x0. Without them this machine would be a new one to the mesh."
