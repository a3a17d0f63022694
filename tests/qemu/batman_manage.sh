# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# In the guest: what x0 batman sets batctl reads, what batctl sets x0 batman reads, and both see the same
# neighbours, originators, gateways and translation tables.
# shellcheck source=tests/qemu/guest_lib.sh
. /lib.sh

bat() # NAME VERB...: x0 batman there
{
	_at=$1
	shift
	on "$_at" x0 batman "$@"
}

refused() # what, exit status, word, command...
{
	_what=$1 _status=$2 _word=$3
	shift 3
	_said=$("$@" 2>&1)
	_got=$?
	[ $_got -eq "$_status" ] || fail "$_what: exit $_got, not $_status: $_said"
	echo "$_said" | grep -q -- "$_word" || fail "$_what: \"$_said\" is without \"$_word\""
	echo "ok: $_what is refused: $_said"
}

for name in a b c; do host $name; done
cable a b
cable b c

refused "showing what is not there" 1 "x0 batman create" bat a show
refused "another algorithm" 2 "BATMAN_V or BATMAN_IV" bat a create --algorithm BATMAN_X
bat a create to-b || fail "create"
bat b create || fail "create"
bat b add to-a to-c || fail "add"
bat c create to-b || fail "create"
refused "creating it twice" 1 "already" bat a create
refused "adding what is not there" 1 "no interface eth9" bat a add eth9
refused "removing what is not in it" 1 "not in bat0" bat a remove lo
refused "a mesh that is none" 1 "not batman-adv's" bat a show --mesh lo
same "batctl's list of interfaces at b" "$(on b batctl meshif bat0 interface | tr '\n' ' ')" \
	"to-a: active to-c: active "
same "batctl's algorithm" "$(on a batctl ra | sed -n 's/^ \* //p' | head -n 1)" "bat0: BATMAN_V"

# SETTING, value to x0, what batctl then says, value to batctl, what x0 then says
setting()
{
	_said=$(bat a set "$1" "$2") || fail "set $1 $2: $_said"
	same "$1 by batctl, set by x0" "$(on a batctl meshif bat0 "$1")" "$3"
	on a batctl meshif bat0 "$1" "$4" >/dev/null || fail "batctl $1 $4"
	same "$1 by x0, set by batctl" "$(bat a show --json | json_value "$1")" "$5"
}

setting orig_interval 500 500 700 700
setting hop_penalty 15 15 20 20
setting aggregation off disabled 1 true
setting bridge_loop_avoidance off disabled 1 true
setting fragmentation off disabled 1 true
setting multicast_fanout 9 9 11 11
setting isolation_mark 0x10/0xf0 0x00000010/0x000000f0 0x1/0x1 0x00000001/0x00000001

{ bat b set gw_bandwidth_down 300 && bat b set gw_bandwidth_up 50 && bat b set gw_mode server; } ||
	fail "gateway"
same "batctl's gateway mode" "$(on b batctl meshif bat0 gw_mode)" "server (announced bw: 30.0/5.0 MBit)"
on a batctl meshif bat0 gw_mode client >/dev/null
same "gw_mode by x0" "$(bat a show --json | json_value gw_mode)" client

hard() # of interface to-b at a: SETTING VALUE batctl's-words
{
	bat a set "$1" "$2" --interface to-b || fail "set $1"
	same "$1 of to-b by batctl" "$(on a batctl hardif to-b "$1")" "$3"
}
hard elp_interval 300 300
hard hop_penalty 5 5
hard throughput_override 800 "80.0 MBit"
on a batctl hardif to-b throughput_override 12mbit
same "throughput_override by x0" "$(bat a show --json | json_value throughput_override)" 120

refused "a number out of its range" 2 "from 0 to 255" bat a set hop_penalty 256
refused "an unknown setting" 2 "orig_interval" bat a set frobnicate 1
refused "a setting of an interface" 2 "add --interface" bat a set elp_interval 100
refused "without privilege" 4 "sudo x0 batman" on a su nobody -s /bin/sh -c "x0 batman neighbours"

rows() # NAME TABLE: how many
{
	bat "$1" "$2" --json | grep -c '"last_seen_ms"\|"down_kbps"\|"crc"'
}
has_rows()
{
	[ "$(rows "$1" "$2")" -ge "$3" ]
}
within 20 has_rows a originators 2 || fail "a does not know two originators: $(bat a originators)"
within 10 has_rows a gateways 1 || fail "a knows no gateway"
within 10 has_rows a global 2 || fail "a knows no clients"

# the same addresses, in whatever order
addresses()
{
	grep -o '[0-9a-f][0-9a-f]\(:[0-9a-f][0-9a-f]\)\{5\}' | sort -u | tr '\n' ' '
}
for pair in "neighbours n" "originators o" "gateways gwl" "local tl" "global tg" "claims cl"; do
	# shellcheck disable=SC2086
	set -- $pair
	bat a "$1" || fail "x0 batman $1"
	same "$1 as batctl $2 has them" "$(bat a "$1" --json | addresses)" \
		"$(on a batctl meshif bat0 "$2" -H | addresses)"
done
same "backbones, of which batctl leaves the own out" "$(bat a backbones --json | json_value is_own)" true
far=$(bat a originators --json | tr -d ' \n' | sed "s/.*\"originator\":\"$(bat a gateways --json | json_value gateway)\"[^}]*throughput_kbps\":\([0-9]*\).*/\1/")
near=$(bat a gateways --json | json_value throughput_kbps)
{ [ "$near" -gt $((far / 4)) ] && [ "$near" -lt $((far * 4)) ]; } ||
	fail "the gateway has $near kbit/s as gateway and $far as originator"
same "the gateway's bandwidth" "$(bat a gateways --json | json_value down_kbps)" 30000
bat a show

bat b remove to-c || fail "remove"
same "batctl's list after remove" "$(on b batctl meshif bat0 interface)" "to-a: active"
bat c destroy || fail "destroy"
refused "showing what is gone" 1 "x0 batman create" bat c show
