/* SPDX-License-Identifier: Apache-2.0 */
/* That the kernel passes on what comes out of the tunnel: two settings of the whole machine, and a
 * table of nftables. How they were before is known to us, and to the table itself, whichever
 * lives longer. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shell/keeper/ways.h"

#define SYSCTL_IPV4 "/proc/sys/net/ipv4/ip_forward"
#define SYSCTL_IPV6 "/proc/sys/net/ipv6/conf/all/forwarding"

/* 0, 1 or another; -1 where it cannot be read. */
static int sysctl_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c = 0;
	ssize_t n = fd < 0 ? -1 : read(fd, &c, 1);

	if (fd >= 0)
		(void)close(fd);
	return n == 1 ? c - '0' : -1;
}

static int sysctl_write(const char *path, bool is_on)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 || write(fd, is_on ? "1" : "0", 1) != 1 ? -errno : 0;

	if (fd >= 0)
		(void)close(fd);
	return r;
}

static int switch_on(const char *path, const char *name, char why[KEEPER_WHY_SIZE])
{
	int r = sysctl_write(path, true);

	if (r < 0)
		(void)snprintf(why, KEEPER_WHY_SIZE, "set it yourself: sysctl -w %s=1; here: %s",
			       name, r == -EPERM ? "not permitted" : strerror(-r));
	return r;
}

static int apply(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE])
{
	int r = nft_nat_apply(tun_name, &w->before, why);
	int n;

	if (r < 0)
		return r;
	n = nft_nat_rules(tun_name);
	w->n_nat_rules = n > 0 ? n : 1; /* not known: any */
	return 0;
}

static void restore(const struct nft_forwarding *before)
{
	if (before->was_ipv4_off)
		(void)sysctl_write(SYSCTL_IPV4, false);
	if (before->was_ipv6_off)
		(void)sysctl_write(SYSCTL_IPV6, false);
}

int forwarding_stop(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE])
{
	struct nft_forwarding before = w->before, others;
	char ignored[KEEPER_WHY_SIZE];
	int r = w->is_forwarding ? 0 : nft_nat_read(tun_name, &before, why);

	if (r < 0)
		return r;
	/* Another tunnel of this namespace passes on too: it puts it back at its end. */
	if (nft_nat_others(tun_name, &others, ignored) <= 0)
		restore(&before);
	w->is_forwarding = false;
	return nft_nat_remove(tun_name, why);
}

/* First the table, which knows how it was before; so a keeper that dies in between leaves what the
 * next one needs. */
static int start(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE])
{
	int ipv4 = sysctl_read(SYSCTL_IPV4), ipv6 = sysctl_read(SYSCTL_IPV6);
	struct nft_forwarding others = { 0 };
	int r;

	w->before = (struct nft_forwarding){ .was_ipv4_off = ipv4 == 0, .was_ipv6_off = ipv6 == 0 };
	if ((ipv4 == 1 || ipv6 == 1) && nft_nat_others(tun_name, &others, why) > 0) {
		w->before.was_ipv4_off |= others.was_ipv4_off;
		w->before.was_ipv6_off |= others.was_ipv6_off;
	}
	r = apply(w, tun_name, why);
	if (r == 0 && ipv4 == 0)
		r = switch_on(SYSCTL_IPV4, "net.ipv4.ip_forward", why);
	if (r == 0 && ipv6 == 0)
		r = switch_on(SYSCTL_IPV6, "net.ipv6.conf.all.forwarding", why);
	w->is_forwarding = true;
	if (r < 0) {
		char ignored[KEEPER_WHY_SIZE];

		(void)forwarding_stop(w, tun_name, ignored);
		return r;
	}
	(void)snprintf(why, KEEPER_WHY_SIZE,
		       "the kernel passes packets on (%s%s%s) and masquerades those of the tunnel; "
		       "it was %s before",
		       ipv4 >= 0 ? "IPv4" : "", ipv4 >= 0 && ipv6 >= 0 ? " and " : "",
		       ipv6 >= 0 ? "IPv6" : "", ipv4 == 0 || ipv6 == 0 ? "off" : "on");
	return 0;
}

int forwarding_set(struct ways *w, const char *tun_name, bool is_on, char why[KEEPER_WHY_SIZE])
{
	if (is_on && !w->is_forwarding)
		return start(w, tun_name, why);
	if (!is_on && w->is_forwarding)
		return forwarding_stop(w, tun_name, why);
	/* A new daemon shall not be told that it is on when it is not. */
	if (is_on && forwarding_is_missing(w, tun_name) == 1)
		return forwarding_repair(w, tun_name, why);
	return 0;
}

bool forwarding_left_over(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE])
{
	/* The program nft is not run for nothing at each start. */
	bool may_be = sysctl_read(SYSCTL_IPV4) == 1 || sysctl_read(SYSCTL_IPV6) == 1;

	return may_be && forwarding_stop(w, tun_name, why) == 0;
}

int forwarding_is_missing(const struct ways *w, const char *tun_name)
{
	int n = nft_nat_rules(tun_name);

	return n < 0 ? n : n < w->n_nat_rules;
}

int forwarding_repair(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE])
{
	return apply(w, tun_name, why);
}
