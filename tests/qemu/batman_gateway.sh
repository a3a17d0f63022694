# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# In the guest: a and b have the kernel's batman-adv and no x0; g has x0, which is a gateway to their
# mesh at a's other interface, and offers its network; c has x0 alone. b and c, at the two ends, reach
# each other by IPv6, over two protocols; batctl lists g and gets its answers.
# shellcheck source=tests/qemu/guest_lib.sh
. /lib.sh

x() # NAME VERB...
{
	_at=$1 _verb=$2
	shift 2
	on "$_at" timeout 60 x0 "$_verb" --config "/tmp/$_at/x0.yaml" "$@"
}

configure() # NAME LINE...
{
	_at=$1
	shift
	{
		printf 'domain: test.mesh\nname: %s\nstate_dir: /tmp/%s/state\nrun_dir: /tmp/%s/run\n' \
			"$_at" "$_at" "$_at"
		printf '%s\n' "$@"
	} >"/tmp/$_at/x0.yaml"
}

for name in b a g c; do host $name; done
cable b a
cable a g
cable g c
ip -n g addr add 2001:db8:1::1/64 dev to-c nodad
ip -n c addr add 2001:db8:1::2/64 dev to-g nodad
{ on b x0 batman create to-a && on a x0 batman create to-b to-g; } >/dev/null || fail "create"
for name in a b; do
	on $name x0 batman set bridge_loop_avoidance off >/dev/null # else broadcasts wait for 30 s
done
on b x0 batman set throughput_override 1000 --interface to-a >/dev/null || fail "set"
on a x0 batman set throughput_override 1000 --interface to-b >/dev/null || fail "set"
on a x0 batman set throughput_override 1000 --interface to-g >/dev/null || fail "set"
ip -n a addr add 2001:db8::1/64 dev bat0 nodad
ip -n b addr add 2001:db8::2/64 dev bat0 nodad

configure g 'routes: {offer: ["2001:db8::/64"]}' \
	'batman: {interfaces: [to-a], addresses: ["2001:db8::3/64"]}'
configure c 'policy:' '- {allow: [session, ping, relay, connect, route], from: "spiffe://*/node/*"}' \
	'- {allow: [api, invite], from: "uid:*"}' '- {allow: prefix, from: "spiffe://*/node/g", to: "2001:db8:*"}'
x g init --no-start --domain test.mesh --name g >/dev/null || fail "init"
within 90 x g up || fail "up" # an emulated processor on a busy one may need more than a daemon is given
ours=$(on g cat /sys/class/net/to-a/address)
client=$(on g cat /sys/class/net/x0bat/address)

listed() # NAME TABLE ADDRESS
{
	on "$1" batctl meshif bat0 "$2" -H | grep -q "$3"
}
within 20 listed a n "$ours" || fail "batctl n does not list the gateway: $(on a batctl n) $(x g status)"
echo "ok: batctl n lists the gateway: $(on a batctl n -H | grep "$ours")"
within 20 listed b o "$ours" || fail "batctl o two hops away does not list the gateway: $(on b batctl o)"
echo "ok: batctl o lists the gateway: $(on b batctl o -H | grep "$ours")"
within 20 listed b tg "$client" || fail "its device is not in the translation table: $(on b batctl tg)"
echo "ok: batctl tg lists its device: $(on b batctl tg -H | grep "$client")"
on b batctl ping -c 3 -t 2 "$ours" || fail "batctl ping"
same "hops by batctl traceroute" "$(on b batctl traceroute "$ours" | grep -c '^ *[0-9]')" 2
both()
{
	x g batman gateway --json | tr -d ' \n' | grep -q '"originators":2,'
}
within 10 both || fail "the gateway does not list both: $(x g batman gateway)"
x g batman gateway
within 20 on g ping -6 -c 1 -W 1 2001:db8::2 || fail "g does not reach b: $(x g batman gateway)"
echo "ok: the gateway reaches a host of batman-adv's"

x c join --no-start "$(x g invite --json --name c --endpoint '[2001:db8:1::1]:26969' | json_value invitation)" >/dev/null ||
	fail "join"
within 90 x c up || fail "up"
within 20 x c ping g -c 1 -W 2 || fail "c does not reach g"

used()
{
	x c routes offered --json | tr -d ' \n' | grep -q '"state":"used"'
}
within 20 used || fail "the mesh's network is not used: $(x c routes offered)"
within 20 on c ping -6 -c 1 -W 2 2001:db8::2 || fail "c does not reach b: $(x c status) $(x g status)"
on c ping -6 -c 3 -W 2 2001:db8::2 || fail "c does not reach b"
echo "ok: a node of the overlay reaches a host of batman-adv's, two hops behind the gateway"

overlay=$(x c status --json | json_value address)
ip -n b -6 route add "$(echo "$overlay" | cut -d: -f1-3)::/48" via 2001:db8::3
within 20 on b ping -6 -c 1 -W 2 "$overlay" || fail "b does not reach c: $(x g status)"
on b ping -6 -c 3 -W 2 "$overlay" || fail "b does not reach c"
echo "ok: a host of batman-adv's reaches a node of the overlay"

# batman-adv believes a leap in an originator's numbers once in half a minute: there must be none
for time in first second; do
	pid=$(x g status --json | json_value pid)
	kill -9 "$pid"
	restarted()
	{
		_now=$(x g status --json | json_value pid)
		[ -n "$_now" ] && [ "$_now" != "$pid" ]
	}
	within 60 restarted || fail "no new daemon: $(x g status)"
	within 20 on g ping -6 -c 1 -W 1 2001:db8::2 ||
		fail "after the $time restart g does not reach b: $(x g batman gateway) $(on a batctl o)"
done
echo "ok: heard again after two restarts"

x g status | grep -q '^guard is off' && fail "the guard was off: $(x g status)"
echo "ok: with the guard against forged addresses"
