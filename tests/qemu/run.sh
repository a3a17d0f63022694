#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a script as a guest with Debian's own kernel: run.sh X0 BUILD-DIRECTORY GUEST-SCRIPT [PROGRAM...].
# QEMU emulates the processor, for KVM is seldom there where tests run.
set -eu
here=$(cd "$(dirname "$0")" && pwd -P)
x0=$(realpath "$1")
build=$2
script=$(realpath "$3")
shift 3
name=$(basename "$script" .sh)
limit_s=${X0_QEMU_LIMIT_S:-270}

skip()
{
	echo "SKIPPED: qemu $name was NOT run: $*"
	exit 77
}

# shellcheck source=tests/qemu/image.sh
. "$here/image.sh"

need_machine
mkdir -p "$build"
build=$(realpath "$build")
exec 9>"$build/packages.lock" # several tests want the one download
flock 9
fetch_packages "$build/packages"
exec 9>&-
image=$(mktemp -d "${TMPDIR:-/tmp}/x0-qemu-XXXXXX")
trap 'rm -rf "$image"' EXIT
trap 'exit 1' INT TERM
make_initramfs "$build/packages" "$image" "$x0" "$script" "$@"

timeout -k 5 "$limit_s" nice -n 5 qemu-system-x86_64 -accel tcg -machine q35 -cpu max -m 512 -smp 1 \
	-nodefaults -no-user-config -nographic -no-reboot -serial stdio -net none \
	-kernel "$build/packages/kernel" -initrd "$image/initramfs" \
	-append "console=ttyS0 quiet panic=-1 reboot=t mitigations=off" \
	</dev/null >"$image/console" 2>&1 || echo "qemu ended with status $?" >>"$image/console"
tr -d '\r' <"$image/console"
tr -d '\r' <"$image/console" | grep -q '^guest: exit 0,' || {
	echo "FAILED: qemu $name"
	exit 1
}
