# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# In the guest: two nodes of x0 whose only way to each other is bat0, over a third machine that has
# batman-adv and no x0.
# shellcheck source=tests/qemu/guest_lib.sh
. /lib.sh

x() # NAME VERB...
{
	_at=$1 _verb=$2
	shift 2
	on "$_at" timeout 60 x0 "$_verb" --config "/tmp/$_at/x0.yaml" "$@"
}

configure() # NAME
{
	printf 'domain: test.mesh\nname: %s\nstate_dir: /tmp/%s/state\nrun_dir: /tmp/%s/run\ndiscovery: {lan: off, links: 0, links_max: 0}\n' \
		"$1" "$1" "$1" >"/tmp/$1/x0.yaml"
}

number=0
for name in a b c; do
	number=$((number + 1))
	host $name
	eval "number_$name=$number"
done
cable a b
cable b c
{ on a x0 batman create to-b && on b x0 batman create to-a to-c && on c x0 batman create to-b; } >/dev/null ||
	fail "create"
for name in a b c; do
	# else what is broadcast, neighbour solicitations too, waits for 30 s
	on $name x0 batman set bridge_loop_avoidance off >/dev/null || fail "set"
	eval "number=\$number_$name"
	ip -n $name addr add "2001:db8::$number/64" dev bat0 nodad
done
within 20 on a ping -6 -c 1 -W 1 2001:db8::3 || fail "c is not reached over bat0: $(on a batctl o)"
hops=$(on a batctl traceroute "$(on c cat /sys/class/net/to-b/address)" | grep -c '^ *[0-9]')
same "hops of batman-adv from a to c" "$hops" 2

configure a
configure c
x a init --domain test.mesh --name a >/dev/null || fail "init"
invitation=$(x a invite --json --name c --endpoint '[2001:db8::1]:26969' | json_value invitation)
x c join "$invitation" >/dev/null || fail "join"
within 30 x c ping a -c 1 -W 2 || fail "c does not reach a: $(x c peers)"
within 30 x a ping c -c 1 -W 2 || fail "a does not reach c: $(x a peers)"
x a peers
x a status
for pair in "a c" "c a"; do
	# shellcheck disable=SC2086
	set -- $pair
	on "$1" ping -6 -c 3 -W 5 "$(x "$2" status --json | json_value address)" ||
		fail "$1 does not ping the overlay address of $2"
	echo "ok: the overlay address of $2 answers $1"
done
same "the session's key exchange" "$(x a peers --json | json_value key_exchange)" X25519MLKEM768
endpoint=$(x a peers --json | json_value endpoint)
case $endpoint in
*2001:db8::3*) echo "ok: the peer is reached at $endpoint, on bat0" ;;
*) fail "the peer's endpoint is $endpoint, not one of bat0" ;;
esac

# the only link is cut and comes back: so does the session
ip -n b link set dev to-c down
sleep 3
x a ping c -c 1 -W 1 >/dev/null 2>&1 && fail "a reaches c over a link that is down"
ip -n b link set dev to-c up
within 60 x a ping c -c 1 -W 2 || fail "after the cut a does not reach c"
echo "ok: a reaches c after the cut"

# by the link-local addresses of bat0
x c down >/dev/null
lla=$(ip -n a -6 addr show dev bat0 scope link | sed -n 's/.*inet6 \(fe80[^/]*\).*/\1/p')
index=$(on c cat /sys/class/net/bat0/ifindex)
for name in a b c; do
	ip -n $name addr del "$(ip -n $name -6 addr show dev bat0 scope global | sed -n 's/.*inet6 \([^ ]*\).*/\1/p')" dev bat0
done
configure c
echo "peers: [{endpoint: \"[$lla%$index]:26969\"}]" >>/tmp/c/x0.yaml
x c up >/dev/null || fail "up"
within 60 x c ping a -c 1 -W 2 || fail "c does not reach a by its link-local address: $(x c peers)"
echo "ok: c reaches a by link-local addresses: $(x c peers --json | json_value endpoint)"
