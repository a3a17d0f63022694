#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The dashboard's TypeScript: its types by tsc, and its logic by node --test. Skipped aloud (77)
# without the packages or Node.js. Arguments: the source tree, a directory for packages, one to work in.
set -eu
root=$1 packages=${X0_PACKAGES:-$2} work=$3/logic

skip() {
	echo "SKIPPED: the dashboard's logic was NOT tested: $*" >&2
	exit 77
}

command -v python3 >/dev/null || skip "python3 is not installed"
mkdir -p "$packages" "$work"
modules=$(python3 "$root/dashboard/packages.py" --into "$packages" --all 2>"$packages/log") ||
	skip "$(tail -n 1 "$packages/log")"
node=${X0_NODE:-$(command -v node)} || node=
if [ -z "$node" ] || [ "$("$node" -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
	# shellcheck source=tests/interop/node.sh
	. "$root/tests/interop/node.sh"
	find_node 24 "$packages"
fi

cat >"$work/tsconfig.json" <<END
{
	"extends": "$root/dashboard/tsconfig.json",
	"compilerOptions": { "paths": { "*": ["$modules/@types/*", "$modules/*"] } },
	"include": ["$root/dashboard/src", "$root/dashboard/test"]
}
END
"$node" "$modules/typescript/bin/tsc" -p "$work/tsconfig.json" || {
	echo "FAILED: the types of the dashboard"
	exit 1
}
case $(uname -m) in
aarch64) cpu=arm64 ;;
*) cpu=x64 ;;
esac
NODE_PATH=$modules "$modules/@esbuild/linux-$cpu/bin/esbuild" "$root/dashboard/test/all.test.ts" --bundle \
	--platform=node --format=esm --tsconfig-raw='{}' --log-level=warning --outfile="$work/all.test.mjs"
"$node" --test "$work/all.test.mjs"
