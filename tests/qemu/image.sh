# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2154 # here is set by the script that sources it
# Debian's own kernel and batctl, fetched once into a directory, and an initramfs of them, busybox and
# programs of this machine. Sourced; what is missing ends in skip().

# Of the kernel: what is loaded in the guest, with what they depend on.
GUEST_MODULES='batman-adv veth tun dummy af_packet nf_tables nft_fib_inet nft_ct nft_chain_nat nft_masq
	nft_objref'

find_program() # name, Debian package
{
	command -v "$1" >/dev/null 2>&1 || PATH=$PATH:/usr/sbin:/sbin
	command -v "$1" >/dev/null 2>&1 || skip "the program $1 is missing: apt-get install $2"
}

need_machine()
{
	[ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || skip "the guest is Linux on x86_64"
	find_program qemu-system-x86_64 qemu-system-x86
	find_program modprobe kmod
	find_program dpkg-deb dpkg
	find_program apt-get apt
}

# The kernel that the metapackage stands for; the cloud kernel has no batman-adv.
kernel_package()
{
	LC_ALL=C apt-cache depends linux-image-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*-amd64\)$/\1/p' | head -n 1
}

# Only what the guest needs of the packages is kept: DIR/kernel, DIR/modules, DIR/root.
fetch_packages() # directory
{
	[ "$(cat "$1/complete" 2>/dev/null)" != "$GUEST_MODULES" ] || return 0
	_package=$(kernel_package)
	[ -n "$_package" ] || skip "apt knows no linux-image-amd64; Debian's has the batman-adv that is tested"
	rm -rf "$1"
	mkdir -p "$1/debs" "$1/all"
	# apt fetches as its own user where it may write, else as root, and warns
	(cd "$1/debs" && timeout 120 apt-get -q download "$_package" batctl busybox-static \
		libnl-3-200 libnl-genl-3-200) >"$1/fetch.log" 2>&1 ||
		skip "apt-get cannot download $_package, batctl and busybox-static: $(tail -n 1 "$1/fetch.log")"
	for _deb in "$1"/debs/*.deb; do
		dpkg-deb -x "$_deb" "$1/all" || skip "dpkg-deb cannot unpack $_deb"
	done
	for _moved in bin lib; do # from Debian 13 on they are in usr alone
		[ -e "$1/all/$_moved" ] || ln -s "usr/$_moved" "$1/all/$_moved"
	done
	keep_of_packages "$1"
	rm -rf "$1/debs" "$1/all"
	echo "$GUEST_MODULES" >"$1/complete"
}

keep_of_packages() # directory
{
	_version=$(ls "$1/all/lib/modules")
	depmod -b "$1/all" "$_version"
	mkdir -p "$1/modules" "$1/root/bin" "$1/root/lib"
	for _module in $GUEST_MODULES; do
		modprobe -d "$1/all" -S "$_version" --show-depends "$_module" 2>/dev/null
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$1/module-paths"
	while read -r _path; do
		_module=$(basename "$_path" .xz)
		case $_path in
			*.xz) "$1/all/bin/busybox" xzcat "$_path" >"$1/modules/$_module" ;;
			*) cp "$_path" "$1/modules/" ;;
		esac
		echo "$_module"
	done <"$1/module-paths" >"$1/modules/order"
	grep -q '^batman-adv' "$1/modules/order" || skip "$_version has no batman-adv"
	cp "$1"/all/boot/vmlinuz-* "$1/kernel"
	cp "$1/all/bin/busybox" "$1/all/usr/sbin/batctl" "$1/root/bin/"
	find "$1/all" -name 'libnl*.so*' -exec cp -P {} "$1/root/lib/" \;
}

# A program and what it is linked with, by its path here.
add_program() # root, program...
{
	_root=$1
	shift
	for _program; do
		_from=$(command -v "$_program") || skip "the program $_program is missing"
		cp -L "$_from" "$_root/bin/"
		add_libraries "$_root" "$_from"
	done
}

add_libraries() # root, program
{
	LD_LIBRARY_PATH=$1/lib ldd "$2" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) .*/\1/p' |
		while read -r _library; do
			_to=$1$(dirname "$_library")
			case $_library in "$1"/*) continue ;; esac
			mkdir -p "$_to"
			[ -f "$_to/$(basename "$_library")" ] || cp -L "$_library" "$_to/"
		done
}

# DIR/initramfs: uncompressed, for it costs an emulated processor seconds to unpack.
make_initramfs() # directory of the packages, of the image, x0, guest script, more programs...
{
	_packages=$1 _dir=$2 _x0=$3 _script=$4
	shift 4
	rm -rf "$_dir/root"
	mkdir -p "$_dir/root/proc" "$_dir/root/sys" "$_dir/root/dev" "$_dir/root/tmp" "$_dir/root/etc" \
		"$_dir/root/run" "$_dir/root/var/lib" "$_dir/root/usr" "$_dir/root/modules"
	cp -a "$_packages/root/." "$_dir/root/"
	cp "$_packages"/modules/* "$_dir/root/modules/"
	add_libraries "$_dir/root" "$_packages/root/bin/batctl"
	add_program "$_dir/root" "$_x0" ip "$@"
	strip "$_dir/root/bin/x0" 2>/dev/null || :
	printf "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n" >"$_dir/root/etc/passwd"
	printf "root:x:0:\nnogroup:x:65534:\n" >"$_dir/root/etc/group"
	ln -s ../bin "$_dir/root/usr/sbin" # where x0 looks for nft
	cp "$here/guest_init.sh" "$_dir/root/init"
	cp "$here/guest_lib.sh" "$_dir/root/lib.sh"
	cp "$_script" "$_dir/root/test.sh"
	chmod 755 "$_dir/root/init"
	(cd "$_dir/root" && find . | "$_packages/root/bin/busybox" cpio -o -H newc) \
		>"$_dir/initramfs" 2>/dev/null || skip "busybox cpio cannot write the initramfs"
}
