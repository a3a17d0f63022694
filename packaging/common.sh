# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034 # variables for install.sh and uninstall.sh
# What installing and removing share.

read_options() # verb argument...
{
	_verb=$1
	shift
	prefix=/usr/local
	destdir=
	while [ $# -gt 0 ]; do
		case $1 in
		--prefix=*) prefix=${1#*=} ;;
		--destdir=*) destdir=${1#*=} ;;
		--prefix | --destdir)
			[ $# -gt 1 ] || die "$1 needs a directory"
			if [ "$1" = --prefix ]; then prefix=$2; else destdir=$2; fi
			shift
			;;
		*)
			printf 'usage: ./x0 %s [--prefix DIR] [--destdir DIR]\n' "$_verb" >&2
			exit 2
			;;
		esac
		shift
	done
	case $prefix in
	/*) ;;
	*) die "the prefix must be an absolute path, not '$prefix'" ;;
	esac
	case $destdir in
	'' | /*) ;;
	*) destdir=$PWD/$destdir ;;
	esac
	manifest=$prefix/share/x0/installed-files
}

# A staging directory of one's own needs no root.
as_root()
{
	if [ "$(id -u)" -eq 0 ] || [ -n "$destdir" ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "this needs root, and there is no sudo here: run it as root"
	fi
}

systemd_runs()
{
	[ -d /run/systemd/system ] && command -v systemctl >/dev/null
}
