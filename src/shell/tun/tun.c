/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, reading and writing the TUN device (Linux Documentation/networking/tuntap.rst). */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "shell/tun/tun.h"

_Static_assert(TUN_NAME_SIZE == IFNAMSIZ, "the kernel's size of an interface name");

static const char *explain_open(int error)
{
	switch (error) {
	case ENOENT:
		return "the device file /dev/net/tun is missing; try: modprobe tun";
	case ENODEV:
	case ENXIO:
		return "this kernel has no TUN device; try: modprobe tun";
	case EACCES:
	case EPERM:
		return "not permitted to open /dev/net/tun; start x0 as root";
	default:
		return NULL;
	}
}

static const char *explain_attach(int error)
{
	switch (error) {
	case EPERM:
		return "not permitted to make a network device (CAP_NET_ADMIN); start x0 as root";
	case EBUSY:
		return "the name is taken by a device in use; stop it or set tun.name";
	case EINVAL:
		return "the name is taken by another kind of device, or is no name for one; set "
		       "tun.name";
	default:
		return NULL;
	}
}

static int fail(int error, const char *name, const char *text, char why[TUN_WHY_SIZE])
{
	(void)snprintf(why, TUN_WHY_SIZE, "tunnel device %.15s: %s", name,
		       text ? text : strerror(error));
	return -error;
}

/* Newer than the headers of Debian 12 (linux/if_tun.h). */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* As much as the kernel takes: it refuses flags that it does not know. */
static unsigned ask_for_offloads(int fd, unsigned wanted)
{
	const unsigned tcp = TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	const unsigned udp = TUN_F_USO4 | TUN_F_USO6;
	const unsigned all =
		(wanted & TUN_OFFLOAD_TCP ? tcp : 0) | (wanted & TUN_OFFLOAD_UDP ? udp : 0);
	int little_endian = 1;

	(void)ioctl(fd, TUNSETVNETLE, &little_endian); /* all that have IFF_VNET_HDR and IPv6 do */
	if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)(TUN_F_CSUM | all)) == 0)
		return wanted;
	if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)(TUN_F_CSUM | (all & tcp))) == 0)
		return wanted & ~(unsigned)TUN_OFFLOAD_UDP;
	return TUN_OFFLOAD_HEADER;
}

static int attach(int fd, const char *name, short flags)
{
	struct ifreq request = { .ifr_flags = (short)(IFF_TUN | IFF_NO_PI | flags) };

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(fd, TUNSETIFF, &request) < 0 ? -errno : 0;
}

int tun_open_offload(const char *name, unsigned wanted, unsigned *ret_got, char why[TUN_WHY_SIZE])
{
	int fd;
	int r;

	*ret_got = 0;
	/* An empty name or a pattern such as "tun%d" would let the kernel choose one. */
	if (name[0] == '\0' || strlen(name) >= TUN_NAME_SIZE || strchr(name, '%'))
		return fail(EINVAL, name, explain_attach(EINVAL), why);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fail(errno, name, explain_open(errno), why);
	r = attach(fd, name,
		   (short)((wanted & TUN_OFFLOAD_HEADER ? IFF_VNET_HDR : 0) |
			   (wanted & TUN_MANY_QUEUES ? IFF_MULTI_QUEUE : 0)));
	if (r < 0) {
		(void)close(fd);
		return fail(-r, name, explain_attach(-r), why);
	}
	wanted &= TUN_OFFLOADS_ALL;
	if (wanted & TUN_OFFLOAD_HEADER)
		*ret_got = ask_for_offloads(fd, wanted);
	return fd;
}

int tun_open(const char *name, char why[TUN_WHY_SIZE])
{
	unsigned got;

	return tun_open_offload(name, 0, &got, why);
}

int tun_read(int fd, uint8_t *ret, size_t size, size_t *ret_len)
{
	ssize_t n;

	do {
		n = read(fd, ret, size);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*ret_len = (size_t)n;
	return 0;
}

int tun_write(int fd, struct span packet)
{
	ssize_t n;

	do {
		n = write(fd, packet.at, packet.len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == packet.len ? 0 : -EIO;
}
