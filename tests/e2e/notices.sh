#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A service that the configuration names stops: an incident is opened and, as nothing is done about
# it by itself, a person is told by a webhook. The token for it is in a file that root alone reads; where
# others may read it nobody is told, and the status says why. Argument after those of every test:
# sink.py.
command -v python3 >/dev/null 2>&1 || {
	echo "SKIPPED: notices was NOT run: the program python3 is missing"
	exit 77
}
SINK=$(realpath "$3")
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"
python3 -c 'import ctypes; ctypes.CDLL("libcurl.so.4")' 2>/dev/null ||
	skip "libcurl is missing (apt-get install libcurl4)"

feature() { # NAME: as JSON
	x a status --json | tr -d ' \n' | tr '{' '\n' | grep "\"name\":\"$1\"" || :
}

is_state() { # STATE: of the newest incident of a service
	x a heal incidents --json | tr -d ' \n' | tr '{' '\n' | grep '"kind":"service"' | head -n 1 |
		grep -q "\"state\":\"$1\""
}

is_told() {
	grep -q 'service incident' "$WORK/sink"
}

host a
# until this test ends the sink's standard input stays open
sleep 1000 | on a python3 "$SINK" >"$WORK/sink" &
spawn a python3 -u -c '
import socket
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1])
while True: s.accept()' >"$WORK/service"
service=$SPAWNED
within 10 test -s "$WORK/sink" || fail "the sink does not begin"
within 10 test -s "$WORK/service" || fail "the service does not begin"
url=http://127.0.0.1:$(cut -d' ' -f2 "$WORK/sink")/secret-path
at=tcp://127.0.0.1:$(cat "$WORK/service")
echo "the-token" >"$WORK/token"
chmod 600 "$WORK/token"
configure a "services: $at" "notify: {webhook: \"$url\", webhook_token_file: \"$WORK/token\"}"
x a init --domain test.mesh --name a >/dev/null
for name in services notify; do
	feature $name | grep -q '"is_on":true' || fail "the feature $name: $(feature $name)"
done

# well
sleep 8
x a heal incidents --json | grep -q '"service"' && fail "an incident of a service that answers"

# stopped
kill "$service"
within 40 is_state escalated || fail "not escalated: $(x a heal incidents --json)"
within 20 is_told || fail "the webhook is not called: $(cat "$WORK/sink")"
told=$(grep 'service incident' "$WORK/sink")
for part in '"authorization": "Bearer the-token"' '"severity": "serious"' "$at" 'Plan: none' \
	'x0 heal explain'; do
	case $told in
	*"$part"*) ;;
	*) fail "$part is not told: $told" ;;
	esac
done
x a heal incidents | grep -qF "$at" || fail "the incident names no service: $(x a heal incidents)"
! grep -q 'the-token\|secret-path' "$WORK/a/state/x0.log" || fail "a secret is in the log"
printf "%s\n" "$told"

# a token that others may read
x a down >/dev/null
chmod 644 "$WORK/token"
x a up >/dev/null
feature notify | grep -q '"is_on":false.*chmod600' || fail "the feature notify: $(feature notify)"
