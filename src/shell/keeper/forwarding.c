/* SPDX-License-Identifier: Apache-2.0 */
/* That the kernel passes on what comes out of the tunnel: settings of the whole machine, and a
 * table of nftables. How it was before is known to us, to a file and, in brief, to the table
 * itself: the first is lost when we are killed, the last when somebody flushes it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shell/keeper/ways.h"

static int apply(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE])
{
	const struct nft_forwarding brief = {
		.was_ipv4_off = w->before.was_off[BEFORE_IPV4],
		.was_ipv6_off = w->before.was_off[BEFORE_IPV6],
		.had_redirects = w->before.had_redirects,
	};
	struct nft_names tunnels;
	int n, r;

	(void)nft_nat_tunnels(tun_name, &tunnels); /* an error: none */
	r = nft_nat_apply(tun_name, &brief, &tunnels, why);
	if (r < 0)
		return r;
	w->tunnels = tunnels;
	n = nft_nat_rules(tun_name);
	w->n_nat_rules = n > 0 ? n : 1; /* not known: any */
	return 0;
}

/* Of another table than ours, or ours where nothing else is left. */
static void add_brief(struct before *b, const struct nft_forwarding *brief)
{
	if (brief->was_ipv4_off && !b->was_off[BEFORE_IPV4])
		b->had_redirects = brief->had_redirects;
	b->was_off[BEFORE_IPV4] |= brief->was_ipv4_off;
	b->was_off[BEFORE_IPV6] |= brief->was_ipv6_off;
}

static int find_before(const struct ways *w, const char *tun_name, struct before *ret,
		       char why[KEEPER_WHY_SIZE])
{
	struct nft_forwarding brief;
	int r;

	*ret = w->before;
	if (w->is_forwarding || before_read(w->run_dir, tun_name, ret))
		return 0;
	r = nft_nat_read(tun_name, &brief, why);
	if (r == 0) {
		*ret = (struct before){ 0 };
		add_brief(ret, &brief);
	}
	return r;
}

int forwarding_stop(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE])
{
	struct nft_forwarding others;
	char ignored[KEEPER_WHY_SIZE];
	struct before before;
	int r = find_before(w, tun_name, &before, why);

	if (r < 0)
		return r;
	/* Another tunnel of this namespace passes on too: it puts it back at its end. */
	if (nft_nat_others(tun_name, &others, ignored) <= 0)
		before_restore(&before);
	r = nft_nat_remove(tun_name, why);
	if (r < 0)
		return r;
	w->is_forwarding = false;
	before_remove(w->run_dir, tun_name);
	return 0;
}

static void describe(const struct before *b, const char *unwritten, char why[KEEPER_WHY_SIZE])
{
	bool was_off = b->was_off[BEFORE_IPV4] || b->was_off[BEFORE_IPV6];

	if (unwritten[0])
		(void)snprintf(why, KEEPER_WHY_SIZE,
			       "the kernel passes packets on; what it did before may not be put "
			       "back in all: %.110s",
			       unwritten);
	else
		(void)snprintf(why, KEEPER_WHY_SIZE,
			       "the kernel passes packets on (%s%s%s) and masquerades those of "
			       "the tunnel; it was %s before%s",
			       before_is_on(BEFORE_IPV4) ? "IPv4" : "",
			       before_is_on(BEFORE_IPV4) && before_is_on(BEFORE_IPV6) ? " and "
										      : "",
			       before_is_on(BEFORE_IPV6) ? "IPv6" : "", was_off ? "off" : "on",
			       was_off ? ", and is for the tunnel alone" : "");
}

/* First the file and the table, which know how it was before; so a keeper that dies in between
 * leaves what the next one needs. */
static int start(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE])
{
	char unwritten[KEEPER_WHY_SIZE] = "", ignored[KEEPER_WHY_SIZE];
	struct nft_forwarding others;
	int r;

	before_look(&w->before);
	if (nft_nat_others(tun_name, &others, ignored) > 0)
		add_brief(&w->before, &others);
	if (before_write(w->run_dir, tun_name, &w->before, unwritten) == 0 && w->before.n_forgotten)
		(void)snprintf(unwritten, sizeof(unwritten),
			       "%u more interfaces forward by themselves than are remembered (%u)",
			       w->before.n_forgotten, BEFORE_INTERFACES_MAX);
	r = apply(w, tun_name, why);
	w->is_forwarding = r == 0;
	if (r == 0)
		r = before_switch_on(&w->before, why);
	if (r < 0 && w->is_forwarding)
		(void)forwarding_stop(w, tun_name, ignored);
	w->is_forwarding = r == 0;
	if (r < 0)
		before_remove(w->run_dir, tun_name);
	else
		describe(&w->before, unwritten, why);
	return r;
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
	struct before before;
	/* The program nft is not run for nothing at each start. */
	bool may_be = before_is_on(BEFORE_IPV4) || before_is_on(BEFORE_IPV6) ||
		      before_read(w->run_dir, tun_name, &before);

	return may_be && forwarding_stop(w, tun_name, why) == 0;
}

int forwarding_is_missing(const struct ways *w, const char *tun_name)
{
	int n = nft_nat_rules(tun_name);

	return n < 0 ? n : n < w->n_nat_rules;
}

static bool has_name(const struct nft_names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->list[i], name) == 0)
			return true;
	return false;
}

bool forwarding_is_outdated(const struct ways *w, const char *tun_name)
{
	struct nft_names now;

	if (nft_nat_tunnels(tun_name, &now) < 0)
		return false;
	for (size_t i = 0; i < now.n; i++)
		if (!has_name(&w->tunnels, now.list[i]))
			return true;
	return now.n != w->tunnels.n;
}

int forwarding_repair(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE])
{
	return apply(w, tun_name, why);
}
