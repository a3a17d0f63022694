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

int tun_open(const char *name, char why[TUN_WHY_SIZE])
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd;

	/* An empty name or a pattern such as "tun%d" would let the kernel choose one. */
	if (name[0] == '\0' || strlen(name) >= sizeof(request.ifr_name) || strchr(name, '%'))
		return fail(EINVAL, name, explain_attach(EINVAL), why);
	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);

	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fail(errno, name, explain_open(errno), why);
	if (ioctl(fd, TUNSETIFF, &request) < 0) {
		int error = errno;

		(void)close(fd);
		return fail(error, name, explain_attach(error), why);
	}
	return fd;
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
