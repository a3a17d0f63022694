# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034,SC2154
# Six nodes in two rows with seven links, as `x0 demo` has them, and a browser at n1. Sourced, with x0,
# e2e_tool, the source tree and a directory for packages in $1 to $4.

root=$(realpath "$3")
packages=$(realpath -m "${X0_PACKAGES:-$4}")

not_tested() {
	echo "SKIPPED: the dashboard was NOT tested: $*" >&2
	exit 77
}

# Packages and Node.js are fetched first: the namespaces of the test have no network.
find_programs() {
	skip() { not_tested "$@"; } # of node.sh; netns.sh has another
	command -v python3 >/dev/null || not_tested "python3 is not installed"
	command -v chromium >/dev/null || not_tested "chromium is not installed (apt-get install chromium)"
	mkdir -p "$packages"
	modules=$(python3 "$root/dashboard/packages.py" --into "$packages" --all 2>"$packages/log") ||
		not_tested "$(tail -n 1 "$packages/log")"
	node=${X0_NODE:-$(command -v node)} || node=
	if [ -z "$node" ] || [ "$("$node" -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
		# shellcheck source=tests/interop/node.sh
		. "$root/tests/interop/node.sh"
		find_node 24 "$packages"
	fi
	node=$(realpath "$node")
}

neighbours() {
	case $1 in
	n1) echo n2 n4 ;;
	n2) echo n1 n3 n5 ;;
	n3) echo n2 n6 ;;
	n4) echo n1 n5 ;;
	n5) echo n4 n2 n6 ;;
	n6) echo n5 n3 ;;
	esac
}

# The number of the cable between two: it is in the addresses of both its ends.
cable_of() {
	case $1$2 in
	n1n2 | n2n1) echo 1 ;;
	n2n3 | n3n2) echo 2 ;;
	n4n5 | n5n4) echo 3 ;;
	n5n6 | n6n5) echo 4 ;;
	n1n4 | n4n1) echo 5 ;;
	n2n5 | n5n2) echo 6 ;;
	n3n6 | n6n3) echo 7 ;;
	esac
}

configure_node() {
	peers=
	for other in $(neighbours "$1"); do
		end=1
		expr "$other" '>' "$1" >/dev/null && end=2
		peers="$peers${peers:+, }{endpoint: \"[2001:db8:0:$(cable_of "$1" "$other")::$end]:26969\"}"
	done
	configure "$1" "peers: [$peers]"
}

six_nodes() {
	for each in n1 n2 n3 n4 n5 n6; do host $each; done
	cable n1 n2 1
	cable n2 n3 2
	cable n4 n5 3
	cable n5 n6 4
	cable n1 n4 5
	cable n2 n5 6
	cable n3 n6 7
	for each in 3 5 6; do cable n1 n$each 1$each; done # for joining alone
	configure_node n1
	x n1 init --domain test.mesh --name n1 >/dev/null 2>&1 || fail "init"
	for each in n2 n3 n4 n5 n6; do
		configure_node $each
		x $each join --no-start "$(invitation n1 --name $each)" >/dev/null 2>&1 || fail "join $each"
		configure_node $each # join has written n1 down as a peer
	done
	for each in 3 5 6; do on n1 ip link del to-n$each; done
	for each in n2 n3 n4 n5 n6; do x $each up >/dev/null 2>&1 || fail "up $each"; done
	for each in n2 n3 n4 n5 n6; do within 20 x n1 ping $each -c 1 -W 1 || fail "n1 does not reach $each"; done
	ADDRESS_n6=$(x n6 status --json | json_value address)
	ADDRESS_n1=$(x n1 status --json | json_value address)
}

# drive MODE [ARGUMENT...]: the browser, at n1; cuts are made by cut.sh.
drive() {
	for each in n1 n2 n3 n4 n5 n6; do eval "echo $each \$HOST_$each"; done >"$WORK/hosts"
	HOME=$WORK on n1 env NODE_PATH="$modules" "$node" "$root/tests/dashboard/drive.mjs" "$modules" \
		"$root/tests/dashboard/cut.sh" "$WORK" "$X0" "$@"
}
