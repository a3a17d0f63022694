# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# In the guest: src/core/batman as an end of a mesh of the kernel's batman-adv. a and b have the kernel's,
# g has ours; g is b's neighbour and two hops from a.
# shellcheck source=tests/qemu/guest_lib.sh
. /lib.sh

for name in a b g; do host $name; done
cable a b
cable b g
{ on a x0 batman create to-b && on b x0 batman create to-a to-g; } >/dev/null || fail "create"
for name in a b; do
	# else what is broadcast waits for 30 s; and a speed that does not wander
	on $name batctl meshif bat0 bl 0
done
on a batctl hardif to-b throughput_override 100mbit
on b batctl hardif to-a throughput_override 100mbit
on b batctl hardif to-g throughput_override 100mbit
ip -n a addr add 2001:db8::1/64 dev bat0 nodad
ip -n b addr add 2001:db8::2/64 dev bat0 nodad

on g /bin/batman_leaf to-b tap0 &
within 5 ip -n g link set dev tap0 mtu 1468 up || fail "no tap0"
ip -n g addr add 2001:db8::3/64 dev tap0 nodad
ours=$(on g cat /sys/class/net/to-b/address)
client=$(on g cat /sys/class/net/tap0/address)

listed() # NAME TABLE ADDRESS
{
	on "$1" batctl meshif bat0 "$2" -H | grep -q "$3"
}
within 15 listed b n "$ours" || fail "batctl n of the neighbour does not list us: $(on b batctl n)"
echo "ok: batctl n lists us: $(on b batctl n -H)"
within 15 listed a o "$ours" || fail "batctl o two hops away does not list us: $(on a batctl o)"
echo "ok: batctl o lists us: $(on a batctl o -H | grep "$ours")"
within 15 listed a tg "$client" || fail "the client is not in the translation table: $(on a batctl tg)"
echo "ok: batctl tg lists our client: $(on a batctl tg -H | grep "$client")"

on a batctl ping -c 3 -t 2 "$ours" || fail "batctl ping"
on a batctl ping -R -c 2 -t 2 "$ours" || fail "batctl ping with its route recorded"
same "hops by batctl traceroute" "$(on a batctl traceroute "$ours" | grep -c '^ *[0-9]')" 2

within 10 on a ping -6 -c 1 -W 1 2001:db8::3 || fail "a does not reach g by IPv6"
on a ping -6 -c 3 -W 2 2001:db8::3 || fail "a does not reach g by IPv6"
on g ping -6 -c 3 -W 2 2001:db8::1 || fail "g does not reach a by IPv6"
on g ping -6 -c 3 -W 2 2001:db8::2 || fail "g does not reach b by IPv6"
echo "ok: IPv6 both ways"

# links that carry no full frame: the kernel sends it in parts
ip -n b link set dev to-g mtu 1500
on a ping -6 -c 3 -W 2 -s 1440 2001:db8::3 || fail "a does not reach g with frames in parts"
echo "ok: frames in parts"

# the table stays as it is: nobody has to ask for it again
sleep 5
same "our table's version at a" "$(on a batctl tg -H | grep "$client" | grep -c '(  *1)')" 1
