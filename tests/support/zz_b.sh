. "$(dirname "$0")/../support/netns.sh"
host a
host b
cable a b 1
configure a
configure b 'peers: [{endpoint: "[2001:db8:0:1::1]:26969"}]'
x a init --domain test.mesh --name a >/dev/null 2>&1
x b join "$(invitation a --name b)" >/dev/null 2>&1
within 15 x a ping b -c 1 -W 1 || fail "a does not reach b"
sleep 3
A=$(x a status --json | json_value address); B=$(x b status --json | json_value address)
for i in 1 2; do
on b timeout 6 "$TOOL" udp $B $A 9 100000000 &
sleep 1
for p in guard meter enforce; do x a ebpf profile $p --seconds 1; done
wait
done
