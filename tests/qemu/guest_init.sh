#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# The first process of the guest: loads the modules, runs the test, says how it ended, and stops.
/bin/busybox --install -s /bin 2>/dev/null
export PATH=/bin LD_LIBRARY_PATH=/lib LC_ALL=C HOME=/ NO_COLOR=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/net /dev/pts /dev/shm
mount -t tmpfs tmpfs /tmp
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
while read -r module; do
	insmod "/modules/$module" || echo "insmod $module failed"
done </modules/order
echo "guest: Linux $(uname -r), batman-adv $(cat /sys/module/batman_adv/version), $(cut -d ' ' -f 1 /proc/uptime) s after its start"
sh /test.sh
echo "guest: exit $?, $(cut -d ' ' -f 1 /proc/uptime) s after its start"
sync
reboot -f
