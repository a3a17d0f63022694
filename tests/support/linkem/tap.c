/* SPDX-License-Identifier: Apache-2.0 */
/* TAP devices in other network namespaces. The calling process must have one thread. */
#include "linkem/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static int enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = 0;

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		r = -errno;
	if (fd >= 0)
		(void)close(fd);
	return r;
}

static int open_here(const char *name, bool is_gso)
{
	const unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (is_gso)
		request.ifr_flags |= IFF_VNET_HDR;
	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	/* USO is known from Linux 6.2 on; without it the kernel cuts UDP before it hands it over */
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0 &&
	    (!is_gso || ioctl(fd, TUNSETOFFLOAD, offloads | TUN_F_USO4 | TUN_F_USO6) == 0 ||
	     ioctl(fd, TUNSETOFFLOAD, offloads) == 0))
		return fd;
	int r = -errno;

	if (fd >= 0)
		(void)close(fd);
	return r;
}

int tap_open(const char *where, bool is_gso)
{
	const char *colon = strchr(where, ':');
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	char path[64];
	int r;

	if (home < 0)
		return -errno;
	if (!colon || strlen(colon + 1) == 0 || strlen(colon + 1) >= IFNAMSIZ) {
		(void)close(home);
		return -EINVAL;
	}
	(void)snprintf(path, sizeof(path), "/proc/%ld/ns/net", strtol(where, NULL, 10));
	r = enter(path);
	if (r == 0)
		r = open_here(colon + 1, is_gso);
	if (setns(home, CLONE_NEWNET) < 0)
		abort(); /* we hold the descriptor: only a bug could refuse it */
	(void)close(home);
	return r;
}

int tap_carrier(int fd, bool is_up)
{
	int on = is_up;

	return ioctl(fd, TUNSETCARRIER, &on) < 0 ? -errno : 0;
}
