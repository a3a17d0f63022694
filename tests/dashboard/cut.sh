#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Cuts the link between two nodes silently, or heals it: frames go to a hardware address that nobody
# has, and nothing tells either end. Or makes the first of them drop what it should pass on, but to the
# second. Arguments: cut, heal or drop, the file of hosts, two nodes, the cable.
set -eu
what=$1 hosts=$2

end() # host, its interface, the far address
{
	pid=$(sed -n "s/^$1 //p" "$hosts")
	if [ "$what" = cut ]; then
		nsenter --target "$pid" --net ip neigh replace "$3" lladdr 02:00:00:00:ff:ff dev "$2" nud permanent
	else
		nsenter --target "$pid" --net ip neigh del "$3" dev "$2"
	fi
}

if [ "$what" = drop ]; then
	pid=$(sed -n "s/^$3 //p" "$hosts")
	nsenter --target "$pid" --net nft -f - <<-EOF
	table inet liar {
		chain out {
			type filter hook output priority 0;
			oifname != "to-$4" udp dport 26969 @th,64,8 0x10 @th,80,16 != 0 drop
		}
	}
	EOF
	exit 0
fi
# The first in the alphabet has ::1.
end "$3" "to-$4" "2001:db8:0:$5::2"
end "$4" "to-$3" "2001:db8:0:$5::1"
