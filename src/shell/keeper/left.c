/* SPDX-License-Identifier: Apache-2.0 */
/* What a keeper that was killed left, removed where none is started again: `x0 down`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shell/keeper/ways.h"
#include "shell/names/resolver.h"

_Static_assert(RESOLVER_WHY_SIZE <= KEEPER_WHY_SIZE, "it fits");

static bool is_names_left(const char *run_dir)
{
	struct resolv_conf now;

	return resolv_conf_read(RESOLV_CONF, &now) == 0 && now.is_ours &&
	       strcmp(now.owner, run_dir) == 0;
}

/* What anybody may see; the tables of nftables only root does. */
static unsigned look(const char *tun_name, const char *run_dir)
{
	bool is_only = false;
	unsigned left = 0;

	if (is_names_left(run_dir))
		left |= KEEPER_LEFT_NAMES;
	if (ways_count(tun_name, &is_only) > 0)
		left |= is_only ? KEEPER_LEFT_EXIT_ONLY : KEEPER_LEFT_RULES;
	return left;
}

/* As the next keeper would, and then as one at its end: what lets nothing out goes last. */
static int remove_ways(const char *tun_name, const char *run_dir, unsigned *left,
		       char why[KEEPER_WHY_SIZE])
{
	struct ways w = { .run_dir = run_dir };
	struct nft_forwarding brief;
	char ignored[KEEPER_WHY_SIZE];
	struct before before;
	int r;

	if (nft_nat_read(tun_name, &brief, ignored) == 0 || before_read(run_dir, tun_name, &before))
		*left |= KEEPER_LEFT_FORWARDING;
	r = ways_left_over(&w, tun_name, why);
	if (r >= 0)
		r = ways_clean(&w, tun_name, why);
	/* Somebody switched forwarding off: then it is not looked for. */
	if (r >= 0 && *left & KEEPER_LEFT_FORWARDING)
		r = nft_nat_remove(tun_name, why);
	return r < 0 ? r : 0;
}

static int remove_guard(const char *tun_name, unsigned *left, char why[KEEPER_WHY_SIZE])
{
	struct nft_counters counters;
	char ignored[NFT_WHY_SIZE];

	if (nft_read(tun_name, &counters, ignored) < 0)
		return 0; /* none is there, or none could have been made */
	*left |= KEEPER_LEFT_GUARD;
	return nft_remove(tun_name, why);
}

/* As far as it can be removed; of what cannot the first is told. */
static int clean(const char *tun_name, const char *run_dir, unsigned *left,
		 char why[KEEPER_WHY_SIZE])
{
	char ways_why[KEEPER_WHY_SIZE] = "", guard_why[KEEPER_WHY_SIZE] = "";
	int names = resolv_conf_restore(RESOLV_CONF, run_dir, why);
	int ways = remove_ways(tun_name, run_dir, left, ways_why);
	int guard = remove_guard(tun_name, left, guard_why);

	(void)ebpf_clean(ways_number(tun_name));
	if (names < 0 && *left & KEEPER_LEFT_NAMES)
		return names;
	if (names < 0)
		why[0] = '\0'; /* it is somebody else's, which need not be readable */
	if (ways < 0 || guard < 0)
		(void)snprintf(why, KEEPER_WHY_SIZE, "%s", ways < 0 ? ways_why : guard_why);
	return ways < 0 ? ways : guard;
}

int keeper_left(const char *tun_name, const char *run_dir, bool is_removed, unsigned *ret,
		char why[KEEPER_WHY_SIZE])
{
	int alone, r;

	*ret = 0;
	why[0] = '\0';
	if (!is_removed && alone_is_held(tun_name))
		return 0; /* what there is is in use */
	r = alone_begin(tun_name, &alone, why);
	if (r < 0)
		return r;
	*ret = look(tun_name, run_dir);
	if (is_removed)
		r = clean(tun_name, run_dir, ret, why);
	if (alone >= 0)
		(void)close(alone);
	return r;
}
