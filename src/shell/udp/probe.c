/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams that may not be fragmented, for finding out what a path carries. */
#include <errno.h>
#include <unistd.h>

#include "shell/udp/internal.h"

#define IPV4_UDP_LEN 28
#define IPV6_UDP_LEN 48

/* Set and reset around one send: probes are few, and the socket has no such option for a single
 * datagram of IPv4. PROBE sets DF and heeds the device's MTU alone, not what ICMP claimed
 * (ip(7)). */
static void set_discover(int fd, bool is_ipv4, int how)
{
	if (is_ipv4)
		(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof(how));
	else
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &how, sizeof(how));
}

int udp_send_whole(struct udp *u, const struct endpoint *to, struct span datagram)
{
	bool is_ipv4 = endpoint_is_ipv4(to);
	int r;

	set_discover(u->main.fd, is_ipv4, is_ipv4 ? IP_PMTUDISC_PROBE : IPV6_PMTUDISC_PROBE);
	r = udp_send(u, to, datagram);
	set_discover(u->main.fd, is_ipv4, is_ipv4 ? UDP_DISCOVER_IPV4 : UDP_DISCOVER_IPV6);
	return r;
}

int udp_path_hint(const struct endpoint *to, unsigned *ret_datagram_max)
{
	bool is_ipv4 = endpoint_is_ipv4(to);
	struct sockaddr_in6 a = udp_sockaddr(to);
	int mtu = 0;
	socklen_t len = sizeof(mtu);
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int off = 0, r = 0;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
	    getsockopt(fd, is_ipv4 ? IPPROTO_IP : IPPROTO_IPV6, is_ipv4 ? IP_MTU : IPV6_MTU, &mtu,
		       &len) < 0)
		r = -errno;
	(void)close(fd);
	if (r == 0 && mtu <= IPV6_UDP_LEN)
		r = -ENODATA;
	if (r == 0)
		*ret_datagram_max = (unsigned)mtu - (is_ipv4 ? IPV4_UDP_LEN : IPV6_UDP_LEN);
	return r;
}
