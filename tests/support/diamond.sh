# SPDX-License-Identifier: Apache-2.0
# diamond.sh - hosts a and d, joined by b and by c: two ways that share no node. Sourced after netns.sh.
# X0_RATE (100) Mbit/s of every cable, by a token bucket, 0: what the machine can; X0_DELAY (0) ms of each, one way, by linkem.
# shellcheck shell=sh disable=SC2034

RATE=${X0_RATE:-100}
DELAY=${X0_DELAY:-0}

# slow HOST DEVICE: what leaves there has this rate; 20 ms of it may wait
slow() {
	[ "$RATE" = 0 ] && return
	on "$1" tc qdisc add dev "$2" root tbf rate "${RATE}mbit" burst 16kb \
		limit $((RATE * 2500)) || skip "no token bucket in this kernel"
}

# join A B NUMBER: a cable with its delay and rate
join() {
	if [ "$DELAY" = 0 ]; then
		cable "$1" "$2" "$3"
	else
		emulated "$1" "$2" "$3"
		emulate "$1" "$2" set both "delay=${DELAY}ms" >/dev/null
	fi
	slow "$1" "to-$2"
	slow "$2" "to-$1"
}

at() {
	printf '{endpoint: "[2001:db8:0:%s]:26969"}' "$1"
}

# diamond_up LINE...: the four hosts' configuration, and their daemons anew
diamond_up() {
	configure a "peers: [$(at 1::2), $(at 2::2)]" "$@"
	configure b "peers: [$(at 1::1), $(at 3::2)]" "$@"
	configure c "peers: [$(at 2::1), $(at 4::2)]" "$@"
	configure d "peers: [$(at 3::1), $(at 4::1)]" "$@"
	for name in a b c d; do
		x $name down >/dev/null 2>&1 || :
		x $name up >/dev/null 2>&1 || fail "$name does not start"
	done
	within 20 x a ping d -c 1 -W 1 || fail "a does not reach d"
	ADDRESS_a=$(x a status --json | json_value address)
	ADDRESS_d=$(x d status --json | json_value address)
	sleep 2 # the other way is up as well
}

# diamond: makes them members; diamond_up follows
diamond() {
	for name in a b c d; do
		host $name
		configure $name
	done
	join a b 1
	join a c 2
	join b d 3
	join c d 4
	cable a d 9 # d joins over it, and then it is gone
	x a init --domain test.mesh --name a >/dev/null 2>&1 || fail "init"
	for member in b:1 c:2 d:9; do
		name=${member%:*}
		x "$name" join --no-start "$(invitation a --name "$name" \
			--endpoint "[2001:db8:0:${member#*:}::1]:26969")" >/dev/null 2>&1 || fail "$name cannot join"
	done
	on a ip link del to-d
}

# cut_silently, mend_silently: between b and d each sends to an Ethernet address that is nobody's
cut_silently() {
	on b ip neigh replace 2001:db8:0:3::2 lladdr 02:00:00:00:00:99 dev to-d nud permanent
	on d ip neigh replace 2001:db8:0:3::1 lladdr 02:00:00:00:00:99 dev to-b nud permanent
}

mend_silently() {
	on b ip neigh del 2001:db8:0:3::2 dev to-d
	on d ip neigh del 2001:db8:0:3::1 dev to-b
}

# cut_cable, mend_cable: the same with the carrier
cut_cable() {
	on b ip link set dev to-d down
}

mend_cable() {
	on b ip link set dev to-d up
	on b ip addr replace 2001:db8:0:3::1/64 dev to-d nodad # the kernel forgets it
}

# ways: how many ways a uses to d
ways() {
	x a routes --json | tr -d ' \n' | tr '{' '\n' | grep -c '"is_used":true'
}
