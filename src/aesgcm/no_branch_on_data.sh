#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Keys, texts and hashes lie in vector registers alone. No instruction of the kernel may bring what
# is in one to where a branch or an address could depend on it: a general register, the flags, or a
# mask. What would go by way of memory is not seen.
# Argument: the kernel's library, as compiled for the program.
set -eu

library=$1

skip()
{
	echo "SKIPPED: branches on data were NOT looked for: $*" >&2
	exit 77
}

command -v objdump >/dev/null || skip "objdump is not installed (binutils)"

objdump -d --no-show-raw-insn "$library" | awk '
	/^[0-9a-f]+ <.*>:$/ {
		n_functions++
	}
	$2 ~ /^v(p?extr[bdwq]|pextrw|extractps|p?movmskp?[bsd]|p?testp?[sd]?|ptestn?m[bdwq]|u?comis[sd])$/ ||
	$2 ~ /^v(p?gather|p?scatter|pcmp|cmpp)/ || $2 ~ /^vpmov[bwdq]2m$/ || $2 ~ /^k(or)?test/ ||
	$2 ~ /^vmov[dq]$/ && $NF ~ /,%[er][^,]*$/ ||
	$2 ~ /^kmov/ && $NF ~ /^%k[0-7],/ {
		print "FAIL data leave the vectors: " $0
		n_found++
	}
	$2 == "vaesenc" {
		n_rounds++
	}
	END {
		printf "%d functions, %d instructions of AES rounds, %d ways out of the vectors\n",
			n_functions, n_rounds, n_found
		exit n_found > 0 || n_functions < 3 || n_rounds < 100
	}'
