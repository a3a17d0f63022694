#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tries the launcher where nothing is installed: clones this tree's HEAD into a minimal Debian made
# by debootstrap, runs a command there twice, and times the second run. Needs root and debootstrap.
#
#   tests/run/chroot.sh SUITE [COMMAND ...]      such as: chroot.sh bookworm ./x0 demo --once
#
# The command is "./x0 test --quick" unless given. From the environment:
#   X0_MIRROR        where packages come from; else what apt is configured with here
#   X0_CHROOT_BASE   a directory to keep the bare system in, made if it is not there
#   X0_CHROOT_KEEP   if set, the used system is left in place and its path printed
#   X0_CHROOT_ONCE   if set, the command runs once
#   X0_SHARED        a directory of published test data to show as ../shared, read-only
#
# It is a container: mounts and processes live in namespaces of their own, and so end with this script,
# however it ends; its root is the root of its mounts (pivot_root), for in a plain chroot the kernel
# refuses user namespaces, and with them half of the end-to-end tests.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
# shellcheck source=scripts/progress.sh
. "$top/scripts/progress.sh"

suite=${1:-}
[ -n "$suite" ] || die "usage: chroot.sh SUITE [COMMAND ...]"
shift
[ $# -gt 0 ] || set -- ./x0 test --quick
[ "$(id -u)" -eq 0 ] || die "making a container needs root"
command -v debootstrap >/dev/null || die "there is no debootstrap: apt-get install debootstrap"

apts_mirror()
{
	# shellcheck disable=SC2016 # apt-get expands it
	apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' |
		sed -n 's/^Debian Debian //p' | head -n 1
}

mirror=${X0_MIRROR:-$(apts_mirror)}
[ -n "$mirror" ] || die "apt knows no Debian mirror here; set X0_MIRROR"
work=$(mktemp -d "${TMPDIR:-/tmp}/x0-chroot-$suite.XXXXXX") || exit 1
root=$work/root
base=${X0_CHROOT_BASE:-$work/base}

leave()
{
	if [ -n "${X0_CHROOT_KEEP:-}" ]; then
		say "kept: $root"
	else
		rm -rf --one-file-system "$work"
	fi
}
trap leave EXIT
trap 'exit 130' INT TERM

if [ ! -x "$base/usr/bin/apt-get" ]; then
	with_progress "debootstrap $suite" "$work/debootstrap.log" \
		debootstrap --variant=minbase "$suite" "$base" "$mirror" || exit 1
fi
if [ "$base" = "$work/base" ]; then
	mv "$base" "$root"
else
	cp -a "$base" "$root"
fi
# How to reach the network is the host's affair; nothing else is taken over.
cp /etc/resolv.conf /etc/hosts "$root/etc/"
apt-config dump Acquire | grep -v '::Changelogs\|::IndexTargets' >"$root/etc/apt/apt.conf.d/99host"
authorities=
if [ -r "${NODE_EXTRA_CA_CERTS:-}" ]; then # for npm, which does not ask the system, and Python
	cp "$NODE_EXTRA_CA_CERTS" "$root/etc/host-authorities.pem"
	authorities="NODE_EXTRA_CA_CERTS=/etc/host-authorities.pem SSL_CERT_FILE=/etc/host-authorities.pem"
fi
git clone -q "$top" "$root/root/x0" || exit 1
printf '%s\n' "$(cd "$top" && git log -1 --format='%h %s')" >&2

# shellcheck disable=SC2016 # expanded by the inner shell
inside='
	root=$1
	shift
	mount --bind "$root" "$root" && mount -t proc proc "$root/proc" &&
		mount --rbind /sys "$root/sys" && mount --rbind /dev "$root/dev" || exit 1
	if [ -d "${X0_SHARED:-/nowhere}" ]; then
		mkdir -p "$root/root/shared"
		mount --bind -o ro "$X0_SHARED" "$root/root/shared" || exit 1
	fi
	# The old root comes to lie upon the new one, and is then taken off it (pivot_root(2)).
	cd "$root" && pivot_root . . && umount -l . && cd /root/x0 || exit 1
	exec /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"'

run_inside()
{
	# shellcheck disable=SC2086 # a list of words
	unshare --mount --pid --fork --kill-child --propagation private \
		sh -c "$inside" sh "$root" $authorities "$@" </dev/null
}

rounds='first second'
[ -z "${X0_CHROOT_ONCE:-}" ] || rounds=first
for round in $rounds; do
	began=$(date +%s%N)
	say "$suite, $round run: $*"
	run_inside "$@" || die "$suite: the $round run of '$*' failed with status $?"
	say "$suite: the $round run took $((($(date +%s%N) - began) / 1000000)) ms"
done
