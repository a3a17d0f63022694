# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034
# Hosts inside the guest: network namespaces with veth pairs between them. Sourced by the guest scripts.
ip() # iproute2's: the shell of busybox takes its own for it
{
	/bin/ip "$@"
}

fail()
{
	echo "FAILED: $*"
	dmesg | tail -n 5
	exit 1
}

# host NAME: a network namespace.
host()
{
	ip netns add "$1" || fail "no namespace $1"
	ip -n "$1" link set dev lo up
	mkdir -p "/tmp/$1"
}

# cable A B: veth pair, to-B in A and to-A in B, wide enough for batman-adv's header.
cable()
{
	ip link add name "to-$2" mtu 1600 netns "$1" type veth peer name "to-$1" mtu 1600 netns "$2" ||
		fail "no cable from $1 to $2"
	ip -n "$1" link set dev "to-$2" up
	ip -n "$2" link set dev "to-$1" up
}

# on NAME COMMAND...
on()
{
	_where=$1
	shift
	/bin/ip netns exec "$_where" "$@"
}

# within SECONDS COMMAND...: tries until it succeeds.
within()
{
	_end=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$_end" ] || return 1
		sleep 0.1
	done
}

# json_value KEY: of the first such key in JSON on stdin; plain values only.
json_value()
{
	sed -n 's/.*"'"$1"'": *\("\([^"]*\)"\|\([^",}]*\)\).*/\2\3/p' | head -n 1
}

same() # what, got, expected
{
	[ "$2" = "$3" ] || fail "$1 is \"$2\", not \"$3\""
	echo "ok: $1: $2"
}
