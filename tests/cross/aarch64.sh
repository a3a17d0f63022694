#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds src/pqc for AArch64, runs pqc_check under qemu-user and compares its digest with that of
# the native build. usage: aarch64.sh NATIVE-PQC-CHECK DIR
set -u
native=$1 dir=$2
top=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
compiler=aarch64-linux-gnu-gcc
cd "$top" || exit 1
mkdir -p "$dir" || exit 1

# The same warnings as everywhere; what is for other processors and what is a test is left out.
sources=$(find src/pqc -name '*.c' ! -name 'test_*' ! -name 'fuzz_*' ! -name '*_avx*')
# shellcheck disable=SC2086 # a list of words
"$compiler" -std=gnu11 -O3 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion -Wundef -Wvla \
	-Wstrict-prototypes -Wmissing-prototypes -Werror -fno-strict-aliasing -Isrc -static \
	tests/cross/pqc_check.c $sources src/base/bytes.c -o "$dir/pqc_check.aarch64" || exit 1
expected=$("$native") || exit 1
got=$(qemu-aarch64 "$dir/pqc_check.aarch64") || exit 1
echo "native  $expected"
echo "aarch64 $got"
[ "$got" = "$expected" ]
