/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway to batman-adv needs: a socket at each interface that the configuration names,
 * for its frames and no others, and the TAP device. Nothing of it is the child's to choose. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shell/ether/ether.h"
#include "shell/keeper/verbs.h"

#define TAP_MTU_MAX 1500 /* as that of the kernel's bat0 */
#define TAP_MTU_MIN 1280 /* of any IPv6 link (RFC 8200 section 5) */

_Static_assert(ETHER_WHY_SIZE <= KEEPER_WHY_SIZE, "it fits");

static unsigned mtu_inside(unsigned mtu_bytes)
{
	unsigned inside =
		mtu_bytes > KEEPER_BATMAN_OVERHEAD ? mtu_bytes - KEEPER_BATMAN_OVERHEAD : 0;

	return inside < TAP_MTU_MAX ? inside : TAP_MTU_MAX;
}

/* Whether the interface can be ours: its frames are not another device's first. */
static int look_at(const char *name, struct reply *ret)
{
	struct netlink *n = NULL;
	struct netlink_link link = { 0 };
	int r = netlink_new(&n);

	if (r == 0)
		r = netlink_link(n, name, &link);
	netlink_free(n);
	if (r < 0)
		(void)snprintf(ret->why, sizeof(ret->why), "interface %s: %s", name,
			       r == -ENODEV ? "there is none" : strerror(-r));
	if (r < 0)
		return r;
	ret->number = link.mtu_bytes;
	if (link.master) {
		(void)snprintf(ret->why, sizeof(ret->why),
			       "interface %s: it is part of another device (a bridge, a bond, "
			       "bat0), which takes its frames",
			       name);
		return -EBUSY;
	}
	if (mtu_inside(link.mtu_bytes) < TAP_MTU_MIN) {
		(void)snprintf(ret->why, sizeof(ret->why),
			       "interface %s: its MTU is %u; at least %d are needed", name,
			       link.mtu_bytes, TAP_MTU_MIN + KEEPER_BATMAN_OVERHEAD);
		return -EMSGSIZE;
	}
	return 0;
}

/* The device keeps its address over restarts, so that the others need not learn it anew: FNV-1a
 * of the first interface's and the name, marked as locally administered. */
static void address_of_tap(const uint8_t first[6], const char *name, uint8_t ret[6])
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < 6; i++)
		hash = (hash ^ first[i]) * UINT64_C(1099511628211);
	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * UINT64_C(1099511628211);
	ret[0] = 2;
	for (size_t i = 1; i < 6; i++)
		ret[i] = (uint8_t)(hash >> 8 * i);
}

/* An interface with a smaller MTU came later. */
static void narrow_tap(const char *name, unsigned mtu_bytes)
{
	struct netlink *n = NULL;
	struct netlink_link link;

	if (netlink_new(&n) == 0 && netlink_link(n, name, &link) == 0 && link.mtu_bytes > mtu_bytes)
		(void)netlink_link_set_mtu(n, link.index, mtu_bytes);
	netlink_free(n);
}

int batman_socket(struct verbs *v, unsigned which, struct reply *ret)
{
	const struct keeper_batman *b = v->options->batman;
	unsigned inside;
	int r;

	r = look_at(b->interfaces[which], ret);
	if (r < 0)
		return r;
	ret->fd = ether_open_raw(b->interfaces[which], KEEPER_BATMAN_PROTOCOL, ret->address,
				 ret->why);
	if (ret->fd < 0)
		return ret->fd;
	inside = mtu_inside(ret->number);
	if (v->batman_mtu == 0)
		address_of_tap(ret->address, b->tap, v->batman_address);
	if (v->batman_mtu > inside)
		narrow_tap(b->tap, inside);
	if (v->batman_mtu == 0 || v->batman_mtu > inside)
		v->batman_mtu = inside;
	return 0;
}

/* Whoever is in that mesh could else become this machine's default router. */
static void refuse_routers(const char *name, struct reply *ret)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%.15s/accept_ra", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "0", 1) == 1) {
		(void)close(fd);
		return;
	}
	if (fd >= 0 || errno != ENOENT) /* else there is no IPv6 */
		(void)snprintf(ret->why, sizeof(ret->why),
			       "set it yourself, or any router of that mesh is believed where "
			       "nothing is forwarded: sysctl -w net.ipv6.conf.%.15s.accept_ra=0",
			       name);
	if (fd >= 0)
		(void)close(fd);
}

static int set_up(const struct verbs *v)
{
	const struct keeper_batman *b = v->options->batman;
	struct netlink *n = NULL;
	struct netlink_link link;
	int r = netlink_new(&n);

	if (r == 0)
		r = netlink_link(n, b->tap, &link);
	if (r == 0)
		r = netlink_link_set_mtu(n, link.index, v->batman_mtu);
	for (size_t i = 0; r == 0 && i < b->n_addresses; i++)
		r = netlink_address_add(n, link.index, &b->addresses[i]);
	if (r == 0)
		r = netlink_link_set_up(n, link.index, true);
	netlink_free(n);
	return r;
}

int batman_tap(const struct verbs *v, struct reply *ret)
{
	const struct keeper_batman *b = v->options->batman;
	int r;

	ret->fd = ether_open_tap(b->tap, v->batman_address, ret->why);
	if (ret->fd < 0)
		return ret->fd;
	refuse_routers(b->tap, ret);
	r = set_up(v);
	if (r < 0) {
		(void)close(ret->fd);
		ret->fd = -1;
		ret->why[0] = '\0';
		return r;
	}
	ret->number = v->batman_mtu;
	memcpy(ret->address, v->batman_address, sizeof(ret->address));
	return 0;
}
