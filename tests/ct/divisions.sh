#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No function of pqc may hold a division instruction, whose time depends on what is divided
# (KyberSlash), except those named below, which divide public values.
# Argument: the library, as compiled for the program.
set -eu

library=$1

skip()
{
	echo "SKIPPED: division instructions were NOT looked for: $*" >&2
	exit 77
}

command -v objdump >/dev/null || skip "objdump is not installed (binutils)"
case $(uname -m) in
x86_64) instruction='v?i?div[a-z]*' ;;
aarch64) instruction='[su]div|fdiv' ;;
*) skip "unknown instructions of $(uname -m)" ;;
esac

# Function and reason:
allowed='
verify_mu use_hint mldsa_verify_internal' # public: w1 + 1 modulo 16 or 44, of a signature

objdump -d --no-show-raw-insn "$library" >"${TMPDIR:-/tmp}/x0-divisions.$$"
trap 'rm -f "${TMPDIR:-/tmp}/x0-divisions.$$"' EXIT
awk -v allowed="$allowed" -v instruction="^($instruction)\$" '
	BEGIN {
		n = split(allowed, words)
		for (i = 1; i <= n; i++)
			is_allowed[words[i]] = 1
	}
	/^[0-9a-f]+ <.*>:$/ {
		name = substr($2, 2, length($2) - 3)
		sub(/\..*/, "", name) # a copy the compiler made of a function
		n_functions++
	}
	$2 ~ instruction {
		if (is_allowed[name])
			next
		print "FAIL a division in " name ": " $0
		n_found++
	}
	END {
		printf "%d functions, %d divisions\n", n_functions, n_found
		exit n_found > 0 || n_functions < 40
	}' "${TMPDIR:-/tmp}/x0-divisions.$$"
