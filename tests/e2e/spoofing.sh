#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A source address of the overlay that arrives from the underlay, and a packet into the tunnel
# with a source that is not ours: dropped, counted, shown. (The inner source that is not its
# session's peer needs a lying member: tests/sim.)
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

two_nodes cable
a=$ADDRESS_a
b=$ADDRESS_b

x a status --json | tr -d ' \n' | grep -q '"guard":{"is_on":true' ||
	skip "no nftables here: $(x a status --json | grep -A 3 '"guard"')"
before=$(counter a source_packets)
on b "$TOOL" udp "$b" 2001:db8:0:1::1 9 5
sleep 0.3
after=$(counter a source_packets)
[ $((after - before)) -eq 5 ] || fail "the guard counted $before, then $after; 5 more were sent"

[ "$(counter a spoofed_tun)" -eq 0 ] || fail "spoofed_tun is not 0 at first"
packets=$(counter b packets_to_tun)
on a "$TOOL" udp 2001:db8:0:1::1 "$b" 9 7
sleep 0.3
[ "$(counter a spoofed_tun)" -eq 7 ] || fail "spoofed_tun is $(counter a spoofed_tun), not 7"
[ "$(counter b packets_to_tun)" -eq "$packets" ] || fail "b was given a spoofed packet"
x a status | grep -q "^dropped  *7 packets .* foreign source" ||
	fail "x0 status does not show it: $(x a status)"
x a status | grep -q "^dropped  *5 packets from outside" ||
	fail "x0 status does not show what the guard dropped: $(x a status)"
on a "$TOOL" udp "$a" "$b" 9 3 || fail "an honest packet cannot be sent"
sleep 0.3
[ "$(counter b packets_to_tun)" -ge $((packets + 3)) ] || fail "honest packets do not arrive"

# a kernel without nft_fib_inet, played by an nft that does not know the word
host c
cable b c 2
configure c
nft=
for place in /usr/sbin/nft /sbin/nft /usr/bin/nft /usr/local/sbin/nft; do
	[ -n "$nft" ] || [ ! -x $place ] || nft=$place
done
cp "$nft" "$WORK/nft"
cat >"$WORK/nft-without-fib" <<END
#!/bin/sh
[ "\$1" = -f ] || exec "$WORK/nft" "\$@"
input=\$(cat)
case \$input in *fib*)
	echo "Error: Could not process rule: No such file or directory"
	exit 1 ;;
esac
printf '%s\n' "\$input" | exec "$WORK/nft" "\$@"
END
chmod 755 "$WORK/nft-without-fib"
on c mount --bind "$WORK/nft-without-fib" "$nft"
x c init --domain test.mesh --name c >/dev/null
x c status --json | tr -d ' \n' | grep -q '"name":"guard","is_on":true,"why":"[^"]*nft_fib_inet' ||
	fail "without fib there is no guard: $(x c status --json)"
x c doctor | grep -q "guard.*own address" || fail "x0 doctor does not say the form: $(x c doctor)"
mac=$(on c ip -o link show dev to-b | sed 's/.*link\/ether \([^ ]*\).*/\1/')
on b ip neigh replace 2001:db8:0:2::2 lladdr "$mac" dev to-c # nothing but what we send
on b "$TOOL" udp "$b" 2001:db8:0:2::2 9 5
sleep 0.3
[ "$(counter c source_packets)" -eq 5 ] || fail "without fib $(counter c source_packets) were dropped, not 5"
