#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs pqc_check, built for this x86-64, under qemu-user as an older processor: one without AVX, and
# one with AVX2 and no more. It must find what it may use, and give the same digest.
# usage: x86.sh NATIVE-PQC-CHECK
set -u
native=$1
expected=$("$native") || exit 1
for cpu in Nehalem Haswell; do
	got=$(qemu-x86_64 -cpu "$cpu" "$native" 2>/dev/null) || exit 1
	echo "$cpu $got"
	[ "$got" = "$expected" ] || exit 1
done
