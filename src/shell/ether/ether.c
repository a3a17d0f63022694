/* SPDX-License-Identifier: Apache-2.0 */
/* Packet sockets (packet(7)) and the TAP device (Linux Documentation/networking/tuntap.rst). */
#include "shell/ether/ether.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"

_Static_assert(ETHER_NAME_SIZE == IFNAMSIZ, "the kernel's size of an interface name");

static int fail(int r, const char *name, const char *text, char why[ETHER_WHY_SIZE])
{
	(void)snprintf(why, ETHER_WHY_SIZE, "interface %.15s: %s", name,
		       text ? text : strerror(-r));
	return r;
}

static int fail_and_close(int fd, int r, const char *name, const char *text,
			  char why[ETHER_WHY_SIZE])
{
	(void)close(fd);
	return fail(r, name, text, why);
}

static struct ifreq request_of(const char *name)
{
	struct ifreq r = { 0 };

	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	return r;
}

/* ---- packet sockets ---- */

/* What is left of the frame where all of it agrees, and 0 bytes where not. */
static int lock_in(int fd, unsigned index, uint16_t protocol)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, index, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, protocol, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, PACKET_OTHERHOST, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT16_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { .len = N_ELEMENTS(code), .filter = code };
	const int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) < 0)
		return -errno;
	return 0;
}

/* Bound to no protocol at first, so that nothing comes in before the filter is there. */
int ether_open_raw(const char *name, uint16_t protocol, uint8_t ret_address[6],
		   char why[ETHER_WHY_SIZE])
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(protocol) };
	struct ifreq request = request_of(name);
	int fd, r;

	if (strlen(name) >= ETHER_NAME_SIZE)
		return fail(-ENODEV, name, NULL, why);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(-errno, name,
			    errno == EPERM ? "a packet socket is not permitted (CAP_NET_RAW)"
					   : NULL,
			    why);
	if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
		return fail_and_close(fd, -errno, name, errno == ENODEV ? "there is none" : NULL,
				      why);
	at.sll_ifindex = request.ifr_ifindex;
	if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		return fail_and_close(fd, -errno, name, NULL, why);
	if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return fail_and_close(fd, -EINVAL, name, "this is no Ethernet", why);
	memcpy(ret_address, request.ifr_hwaddr.sa_data, 6);
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0 || !(request.ifr_flags & IFF_UP))
		return fail_and_close(fd, -ENETDOWN, name, "it is down", why);
	r = lock_in(fd, (unsigned)at.sll_ifindex, protocol);
	if (r == 0 && bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		r = -errno;
	return r < 0 ? fail_and_close(fd, r, name, NULL, why) : fd;
}

/* ---- TAP ---- */

static const char *explain_tap(int error)
{
	switch (error) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return "this kernel has no TAP device; try: modprobe tun";
	case EACCES:
	case EPERM:
		return "not permitted to make a network device (CAP_NET_ADMIN); start x0 as root";
	case EBUSY:
	case EINVAL:
		return "the name is taken by another device, or is no name for one";
	default:
		return NULL;
	}
}

int ether_open_tap(const char *name, const uint8_t address[6], char why[ETHER_WHY_SIZE])
{
	struct ifreq request = request_of(name);
	int fd;

	/* An empty name or a pattern such as "tap%d" would let the kernel choose one. */
	if (name[0] == '\0' || strlen(name) >= ETHER_NAME_SIZE || strchr(name, '%'))
		return fail(-EINVAL, name, explain_tap(EINVAL), why);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fail(-errno, name, explain_tap(errno), why);
	/* IFF_TUN_EXCL: not one that somebody made to stay */
	request.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return fail_and_close(fd, -errno, name, explain_tap(errno), why);
	request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(request.ifr_hwaddr.sa_data, address, 6);
	if (ioctl(fd, SIOCSIFHWADDR, &request) < 0)
		return fail_and_close(fd, -errno, name, explain_tap(errno), why);
	return fd;
}

/* ---- both ---- */

/* An interface that is gone for good is told as one that is down: the socket stays as it is. */
static int error_of(int error)
{
	return error == ENXIO || error == ENODEV ? -ENETDOWN : -error;
}

int ether_read(int fd, uint8_t *ret, size_t size, size_t *ret_len)
{
	uint8_t more;
	struct iovec pieces[] = { { ret, size }, { &more, 1 } };
	ssize_t n;

	do {
		n = readv(fd, pieces, 2);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_of(errno);
	if ((size_t)n > size)
		return -EMSGSIZE;
	*ret_len = (size_t)n;
	return 0;
}

int ether_write(int fd, struct span frame)
{
	ssize_t n;

	do {
		n = write(fd, frame.at, frame.len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_of(errno);
	return (size_t)n == frame.len ? 0 : -EIO;
}
