# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Saying what goes on: sourced by ./x0 and by the scripts it starts.

say()
{
	printf 'x0: %s\n' "$*" >&2
}

die()
{
	say "$@"
	exit 1
}

# The last line of a growing log, without what a terminal would overwrite.
last_line() # log
{
	tail -n 5 "$1" 2>/dev/null | tr '\r' '\n' | grep . | tail -n 1 | cut -c 1-90
}

# Runs a command with its output in a log. After two seconds it says what is going on, then every
# five how far it is; when the command fails it shows the end of the log.
with_progress() # what log command...
{
	_what=$1 _log=$2
	shift 2
	( # beside the command, which stays in the foreground so that Ctrl-C reaches it
		sleep 2 >/dev/null 2>&1
		say "$_what ..."
		_seconds=2
		while sleep 5 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
			_seconds=$((_seconds + 5))
			say "  $_seconds s: $(last_line "$_log")"
		done
	) </dev/null >/dev/null 9>&- &
	_ticker=$!
	"$@" >"$_log" 2>&1 </dev/null
	_status=$?
	kill "$_ticker" 2>/dev/null
	wait "$_ticker" 2>/dev/null
	if [ "$_status" -ne 0 ]; then
		say "$_what failed; the end of $_log:"
		tail -n 40 "$_log" | sed 's/^/    /' >&2
	fi
	return "$_status"
}
