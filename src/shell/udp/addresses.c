/* SPDX-License-Identifier: Apache-2.0 */
/* The host's own addresses, those worth telling others first. */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "shell/udp/udp.h"

enum reach {
	REACH_GLOBAL,
	REACH_PRIVATE,
	REACH_NONE,
};

/* RFC 1918, RFC 6598 (carrier-grade NAT); loopback, link-local, multicast and above lead
 * nowhere from elsewhere (RFC 6890). */
static enum reach reach_ipv4(const uint8_t ip[4])
{
	if (ip[0] == 0 || ip[0] == 127 || ip[0] >= 224 || (ip[0] == 169 && ip[1] == 254))
		return REACH_NONE;
	if (ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) ||
	    (ip[0] == 192 && ip[1] == 168) || (ip[0] == 100 && (ip[1] & 0xc0) == 64))
		return REACH_PRIVATE;
	return REACH_GLOBAL;
}

/* Global unicast is 2000::/3 (RFC 4291 2.4), unique local fc00::/7 (RFC 4193). */
static enum reach reach_ipv6(const uint8_t ip[16])
{
	if ((ip[0] & 0xe0) == 0x20)
		return REACH_GLOBAL;
	return (ip[0] & 0xfe) == 0xfc ? REACH_PRIVATE : REACH_NONE;
}

static bool is_inside(const uint8_t ip[16], const uint8_t prefix[16], unsigned len)
{
	uint8_t mask = (uint8_t)(0xff00 >> (len % 8));

	if (len == 0 || memcmp(ip, prefix, len / 8) != 0)
		return false;
	return len % 8 == 0 || ((ip[len / 8] ^ prefix[len / 8]) & mask) == 0;
}

static enum reach classify(const struct ifaddrs *i, struct endpoint *ret)
{
	if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || (i->ifa_flags & IFF_LOOPBACK))
		return REACH_NONE;
	if (i->ifa_addr->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(void *)i->ifa_addr;

		ret->ip[10] = ret->ip[11] = 0xff;
		memcpy(ret->ip + 12, &in->sin_addr, 4);
		return reach_ipv4(ret->ip + 12);
	}
	if (i->ifa_addr->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(void *)i->ifa_addr;

		memcpy(ret->ip, &in6->sin6_addr, 16);
		return reach_ipv6(ret->ip);
	}
	return REACH_NONE;
}

static bool is_known(const struct endpoint *list, size_t n, const struct endpoint *e)
{
	for (size_t i = 0; i < n; i++) {
		if (endpoint_equal(&list[i], e))
			return true;
	}
	return false;
}

int udp_own_addresses(const uint8_t overlay_prefix[16], unsigned prefix_len, const char *skip,
		      uint16_t port, struct endpoint *ret, size_t max)
{
	struct ifaddrs *list;
	size_t n = 0;

	if (getifaddrs(&list) < 0)
		return -errno;
	for (enum reach wanted = REACH_GLOBAL; wanted < REACH_NONE; wanted++) {
		for (const struct ifaddrs *i = list; i && n < max; i = i->ifa_next) {
			struct endpoint e = { .port = port };

			if ((skip && strcmp(i->ifa_name, skip) == 0) || classify(i, &e) != wanted)
				continue;
			if (!is_inside(e.ip, overlay_prefix, prefix_len) && !is_known(ret, n, &e))
				ret[n++] = e;
		}
	}
	freeifaddrs(list);
	return (int)n;
}
