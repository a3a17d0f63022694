#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Chromium, as Debian has it, fetches the page of `x0 tls serve`, which says what group it negotiated.
# Skipped aloud (77) without Chromium. Argument: x0.
#
# A browser wants a host's name in a certificate, and ours names a node: so the hash of its public
# key is given to this one run, with a profile of its own, and nothing is added to any store.
set -eu

x0=$1
work=$(mktemp -d)
server=

skip() {
	echo "SKIPPED: TLS with Chromium was NOT tested: $*" >&2
	exit 77
}

finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || :
	rm -rf "$work" 2>/dev/null || : # the browser may still be writing
}
trap finish EXIT
trap 'exit 1' INT TERM

for program in chromium openssl; do
	command -v $program >/dev/null || skip "$program is not installed (apt-get install $program)"
done

serve() # option...
{
	: >"$work/served"
	"$x0" tls serve --config "$work/x0.yaml" --anyone --json --listen 127.0.0.1:0 "$@" \
		>>"$work/served" 2>>"$work/errors" &
	server=$!
	tries=0
	until grep -q listening "$work/served"; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || { echo "FAILED: x0 tls serve does not listen"; exit 1; }
		sleep 0.1
	done
	port=$(sed -n 's/.*"listening","address":"127.0.0.1:\([0-9]*\)".*/\1/p' "$work/served")
}

browse() # prints the page
{
	sandbox=
	[ "$(id -u)" != 0 ] || sandbox=--no-sandbox
	# shellcheck disable=SC2086 # empty or one option
	HOME=$work timeout -k 5 60 chromium --headless $sandbox --user-data-dir="$work/profile" \
		--disable-background-networking --disable-component-update --disable-sync \
		--disable-quic --disable-gpu --no-first-run --no-default-browser-check \
		--ignore-certificate-errors-spki-list="$pin" \
		--dump-dom "https://127.0.0.1:$port/" 2>"$work/chromium.log"
}

expect() # group, what it proves
{
	if browse >"$work/page" && grep -q "\"group\": \"$1\"" "$work/page"; then
		echo "ok   $2"
	else
		echo "FAIL $2"
		cat "$work/page" "$work/served"
		tail -n 5 "$work/chromium.log"
		exit 1
	fi
	kill "$server"
	wait "$server" || :
	server=
}

cat >"$work/x0.yaml" <<END
domain: interop.example
name: alpha
state_dir: $work/state
run_dir: $work/run
user: root
END
"$x0" init --no-start --config "$work/x0.yaml" --domain interop.example --name alpha >/dev/null
"$x0" svid --pem --config "$work/x0.yaml" >"$work/chains.pem"
# the chain for TLS is the last one, and one certificate long
pin=$(awk '/BEGIN/ { one = "" } { one = one $0 "\n" } END { printf "%s", one }' "$work/chains.pem" |
	openssl x509 -pubkey -noout | openssl pkey -pubin -outform DER |
	openssl dgst -sha256 -binary | openssl base64)

chromium --version 2>/dev/null
serve
expect X25519MLKEM768 "Chromium negotiates X25519MLKEM768 with x0"
serve --hybrid-only
expect X25519MLKEM768 "also where nothing else is allowed"
serve --groups secp256r1:X25519
expect X25519 "and X25519 where x0 offers no hybrid group"
