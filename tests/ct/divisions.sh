#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No function of pqc may hold a division instruction, whose time depends on what is divided
# (KyberSlash): not even for public values, so that nobody has to tell them apart.
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

objdump -d --no-show-raw-insn "$library" | awk -v instruction="^($instruction)\$" '
	/^[0-9a-f]+ <.*>:$/ {
		name = substr($2, 2, length($2) - 3)
		sub(/\..*/, "", name) # a copy the compiler made of a function
		n_functions++
	}
	$2 ~ instruction {
		print "FAIL a division in " name ": " $0
		n_found++
	}
	END {
		printf "%d functions, %d divisions\n", n_functions, n_found
		exit n_found > 0 || n_functions < 40
	}'
