/* SPDX-License-Identifier: Apache-2.0 */
/* Rules and tables of routing. Five rules of policy routing, in this order:
 *
 *   +0  what has our mark: the main table          (exit: the daemon's own datagrams)
 *   +1  what has our mark: nowhere                 (or they would go round in the tunnel)
 *   +2  the main table but for its default route   (the networks this machine is in go first)
 *   +3  the table of the tunnel
 *   +4  nowhere                                    (exit only: what comes this far would leak) */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shell/keeper/ways.h"

#define N_RULES 5
#define PRIORITY_FIRST 26000 /* before the main table's 32766 */
#define TABLE_FIRST 0x58300000U
#define TUNNELS 1024 /* that are told apart by the hash of their names */

enum {
	RULE_MARK,
	RULE_MARK_NOWHERE,
	RULE_LAN,
	RULE_TABLE,
	RULE_NOWHERE
};

const struct netlink_prefix ways_default_ipv4 = { .ip = { [10] = 0xff, [11] = 0xff }, .len = 96 };
const struct netlink_prefix ways_default_ipv6 = { .len = 0 };

/* FNV-1a: two daemons in one namespace do not take each other's rules; where these are the same,
 * alone.c refuses the second. */
uint32_t ways_number(const char *tun_name)
{
	uint32_t hash = 2166136261U;

	for (; *tun_name; tun_name++)
		hash = (hash ^ (uint8_t)*tun_name) * 16777619U;
	return hash % TUNNELS;
}

uint32_t ways_table(const char *tun_name)
{
	return TABLE_FIRST + ways_number(tun_name);
}

static uint32_t priority_of(const char *tun_name)
{
	return PRIORITY_FIRST + N_RULES * ways_number(tun_name);
}

static int tell(int r, const char *what, char why[KEEPER_WHY_SIZE])
{
	if (r < 0)
		(void)snprintf(why, KEEPER_WHY_SIZE, "%s: %s", what,
			       r == -EPERM ? "not permitted (CAP_NET_ADMIN)" : strerror(-r));
	return r;
}

/* ---- rules ---- */

/* *ret_n grows by those that are there now. */
static int add_rule(struct netlink *n, const char *tun_name, unsigned which, int *ret_n)
{
	struct netlink_rule rule = { .priority = priority_of(tun_name) + which };
	int r = 0;

	rule.mark = which == RULE_MARK || which == RULE_MARK_NOWHERE ? KEEPER_MARK : 0;
	rule.is_without_default = which == RULE_LAN;
	if (which == RULE_MARK || which == RULE_LAN)
		rule.table = NETLINK_TABLE_MAIN;
	else if (which == RULE_TABLE)
		rule.table = ways_table(tun_name);
	for (int i = 0; r == 0 && i < 2; i++) {
		rule.is_ipv4 = i == 1;
		r = netlink_rule_add(n, &rule);
		*ret_n += r == 0;
		if (r == -EAFNOSUPPORT || r == -EOPNOTSUPP)
			r = 0; /* a kernel without IPv6 leaks none */
	}
	return r;
}

static int set_rule(struct netlink *n, const char *tun_name, unsigned which, bool is_on, int *ret_n)
{
	if (is_on)
		return add_rule(n, tun_name, which, ret_n);
	int r = netlink_rules_delete(n, priority_of(tun_name) + which, 1);

	return r < 0 ? r : 0;
}

/* In an order in which nothing leaks in between: what forbids comes first and goes last. */
static int set_rules(struct netlink *n, struct ways *w, const char *tun_name)
{
	bool is_any = w->is_looked_up || w->exit;
	int r = 0;

	w->n_rules = 0; /* counted here: whoever flushes rules deletes one after the other */
	if (w->exit)
		r = set_rule(n, tun_name, RULE_MARK, true, &w->n_rules);
	if (r == 0 && w->exit)
		r = set_rule(n, tun_name, RULE_MARK_NOWHERE, true, &w->n_rules);
	if (r == 0 && w->exit & KEEPER_EXIT_ONLY)
		r = set_rule(n, tun_name, RULE_NOWHERE, true, &w->n_rules);
	if (r == 0)
		r = set_rule(n, tun_name, RULE_TABLE, is_any, &w->n_rules);
	if (r == 0)
		r = set_rule(n, tun_name, RULE_LAN, is_any && !(w->exit & KEEPER_EXIT_WITHOUT_LAN),
			     &w->n_rules);
	if (r == 0 && !(w->exit & KEEPER_EXIT_ONLY))
		r = set_rule(n, tun_name, RULE_NOWHERE, false, &w->n_rules);
	if (r == 0 && !w->exit)
		r = set_rule(n, tun_name, RULE_MARK_NOWHERE, false, &w->n_rules);
	if (r == 0 && !w->exit)
		r = set_rule(n, tun_name, RULE_MARK, false, &w->n_rules);
	return r;
}

int ways_misses_rules(const struct ways *w, const char *tun_name)
{
	struct netlink *n = NULL;
	int r = netlink_new(&n);

	if (r == 0)
		r = netlink_rules_count(n, priority_of(tun_name), N_RULES);
	netlink_free(n);
	return r < 0 ? r : r < w->n_rules;
}

int ways_repair_rules(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE])
{
	struct netlink *n = NULL;
	int wanted = w->n_rules;
	int r = netlink_new(&n);

	if (r == 0)
		r = set_rules(n, w, tun_name);
	netlink_free(n);
	if (r < 0)
		w->n_rules = wanted; /* they are missing still */
	return tell(r, "cannot add a routing rule", why);
}

int ways_look(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE])
{
	struct netlink *n = NULL;
	int r;

	if (w->is_looked_up)
		return 0;
	w->is_looked_up = true;
	r = netlink_new(&n);
	if (r == 0)
		r = set_rules(n, w, tun_name);
	netlink_free(n);
	if (r < 0)
		w->is_looked_up = false;
	return tell(r, "cannot add a routing rule", why);
}

static int set_default_routes(struct netlink *n, const char *tun_name, bool is_on)
{
	const struct netlink_prefix *const all[] = { &ways_default_ipv4, &ways_default_ipv6 };
	uint32_t table = ways_table(tun_name);
	struct netlink_link link;
	int r = netlink_link(n, tun_name, &link);

	if (r == -ENODEV)
		return is_on ? r : 0; /* and its routes with it */
	for (int i = 0; r == 0 && i < 2; i++) {
		r = is_on ? netlink_table_route_add(n, table, link.index, all[i])
			  : netlink_table_route_delete(n, table, link.index, all[i]);
		if (r == -ESRCH || r == -EAFNOSUPPORT || r == -EOPNOTSUPP)
			r = 0;
	}
	return r;
}

int ways_exit(struct ways *w, const char *tun_name, unsigned bits, char why[KEEPER_WHY_SIZE])
{
	struct ways before = *w;
	struct netlink *n = NULL;
	int r = netlink_new(&n);

	w->exit = bits;
	if (r == 0 && bits)
		r = set_rules(n, w, tun_name);
	if (r == 0)
		r = set_default_routes(n, tun_name, bits & KEEPER_EXIT_ROUTES);
	if (r == 0 && !bits)
		r = set_rules(n, w, tun_name);
	if (r < 0) {
		before.n_rules = w->n_rules > before.n_rules ? w->n_rules : before.n_rules;
		*w = before;
		/* Fail closed: what may go nowhere else goes nowhere until the exit is there. */
		if (bits & KEEPER_EXIT_ONLY)
			w->exit |= bits & ~(unsigned)KEEPER_EXIT_ROUTES;
		if (n && !before.exit)
			(void)set_rules(n, w, tun_name);
	}
	netlink_free(n);
	return tell(r, "cannot lead traffic to the exit", why);
}

/* ---- ends ---- */

int ways_clean(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE])
{
	struct netlink *n = NULL;
	int r = 0, e;

	if (w->is_forwarding)
		r = forwarding_stop(w, tun_name, why);
	if (!w->is_looked_up && !w->exit)
		return r;
	e = netlink_new(&n);
	if (e == 0)
		e = netlink_rules_delete(n, priority_of(tun_name), N_RULES);
	netlink_free(n);
	*w = (struct ways){ .run_dir = w->run_dir };
	return e < 0 ? tell(e, "cannot remove routing rules", why) : r;
}

int ways_count(const char *tun_name, bool *ret_is_only)
{
	struct netlink *n = NULL;
	int r = netlink_new(&n);

	*ret_is_only =
		r == 0 && netlink_rules_count(n, priority_of(tun_name) + RULE_NOWHERE, 1) > 0;
	if (r == 0)
		r = netlink_rules_count(n, priority_of(tun_name), N_RULES);
	netlink_free(n);
	return r;
}

int ways_left_over(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE])
{
	bool has_nat = forwarding_left_over(w, tun_name, why);
	struct netlink *n = NULL;
	int r = netlink_new(&n);

	/* What keeps all in goes only when the daemon says that it may, or with us. */
	if (r == 0 && netlink_rules_count(n, priority_of(tun_name) + RULE_NOWHERE, 1) > 0)
		w->exit = KEEPER_EXIT_ONLY;
	else if (r == 0)
		r = netlink_rules_delete(n, priority_of(tun_name), N_RULES);
	if (r >= 0 && w->exit)
		w->n_rules = netlink_rules_count(n, priority_of(tun_name), N_RULES);
	netlink_free(n);
	(void)snprintf(why, KEEPER_WHY_SIZE, "%d routing rules%s", r > 0 ? r : 0,
		       has_nat ? ", forwarding and NAT" : "");
	return r > 0 || has_nat ? 1 : r;
}
