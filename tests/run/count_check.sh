#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Looks that count.awk counts a log as it should, and finds the reason of each skip.
set -u
here=$(cd "$(dirname "$0")" && pwd -P) || exit 1

cat_log()
{
	cat <<'END'
{"name": "x:unit / a", "stdout": "1..3\nok 1 - one\nnot ok 2 - two\nskipped: no tun\nok 3 - three # SKIP\n", "result": "FAIL"}
{"name": "x:e2e / said_on_stdout", "stdout": "SKIPPED: b was NOT run: no root\n", "stderr": "noise\n", "result": "SKIP"}
{"name": "x:unit / said_on_stderr", "stdout": "", "stderr": "noise\nskipped: no \"node\" here\n", "result": "SKIP"}
{"name": "x:unit / mute", "result": "SKIP"}
{"name": "x:unit / plain", "stdout": "whatever\n", "result": "OK"}
{"name": "x:unit / crashed", "stdout": "ok 1 - one\n", "result": "FAIL"}
END
}

expected='skip a, three: no tun
skip said_on_stdout: b was NOT run: no root
skip said_on_stderr: no "node" here
skip mute: no reason given
passed 3
failed 2'
seen=$(cat_log | awk -f "$here/count.awk")
[ "$seen" = "$expected" ] && exit 0
printf 'expected:\n%s\n\nseen:\n%s\n' "$expected" "$seen"
exit 1
