#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Constant time at one level, under valgrind: first the program that leaks on purpose, which must
# be noticed, then every operation, in which nothing may be.
# Arguments: ct_check ("" where valgrind's header was missing), the level.
set -eu

program=$1
level=$2

skip()
{
	echo "SKIPPED: constant time was NOT checked: $*" >&2
	exit 77
}

[ -n "$program" ] || skip "there was no valgrind/memcheck.h when this was built"
[ "$level" != avx512 ] ||
	skip "AVX-512: valgrind cannot run it, and MemorySanitizer does not understand it (docs/pqc.md)"
command -v valgrind >/dev/null || skip "valgrind is not installed"

# --track-origins would name the secret; it costs half again the time and is for whoever looks.
watched()
{
	valgrind --quiet --error-limit=no "$@"
}

if ! watched "$program" leak 2>/dev/null; then
	echo "a leak made on purpose went unnoticed: this check shows nothing"
	exit 1
fi
watched "$program" "$level"
