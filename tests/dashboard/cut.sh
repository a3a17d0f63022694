#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Cuts the link between two nodes silently, or heals it: frames go to a hardware address that nobody
# has, and nothing tells either end. Arguments: cut or heal, the file of hosts, two nodes, the cable.
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

# The first in the alphabet has ::1.
end "$3" "to-$4" "2001:db8:0:$5::2"
end "$4" "to-$3" "2001:db8:0:$5::1"
