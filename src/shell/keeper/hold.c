/* SPDX-License-Identifier: Apache-2.0 */
/* Looks after each change of rules and tables whether ours are still there, and sets them again. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shell/keeper/hold.h"

static const struct {
	const char *what;
	enum netlink_topic topic;
	bool (*is_set)(const struct verbs *v);
	int (*is_missing)(const struct verbs *v); /* 1, 0 or an error */
	int (*repair)(struct verbs *v, char why[KEEPER_WHY_SIZE]);
} held[KEEPER_N_HELD] = {
	/* first what keeps traffic from leaving by another way */
	[KEEPER_HELD_RULES] = { "the rules of routing (ip rule)", NETLINK_RULES, verbs_has_rules,
				verbs_misses_rules, verbs_repair_rules },
	[KEEPER_HELD_GUARD] = { "the nftables table against forged addresses", NETLINK_NFTABLES,
				verbs_has_guard, verbs_misses_guard, verbs_repair_guard },
	[KEEPER_HELD_FORWARDING] = { "the nftables table of NAT", NETLINK_NFTABLES, verbs_has_nat,
				     verbs_misses_nat, verbs_repair_nat },
};

/* It takes the program nft: the child is told that it is missing, and nobody does it all the time.
 */
static bool is_slow(unsigned which)
{
	return held[which].topic == NETLINK_NFTABLES;
}

void hold_begin(struct hold *h)
{
	*h = (struct hold){ 0 };
	for (unsigned i = 0; i < HOLD_N_TOPICS; i++) {
		int fd = netlink_changes_open((enum netlink_topic)i);

		h->topics[i] = (struct hold_topic){ .fd = fd < 0 ? -1 : fd,
						    .pause_ms = HOLD_PAUSE_MIN_MS };
	}
}

void hold_end(struct hold *h)
{
	for (unsigned i = 0; i < HOLD_N_TOPICS; i++)
		if (h->topics[i].fd >= 0)
			(void)close(h->topics[i].fd);
}

static bool has_any(const struct verbs *v, unsigned topic)
{
	for (unsigned i = 0; i < KEEPER_N_HELD; i++)
		if (held[i].topic == topic && held[i].is_set(v))
			return true;
	return false;
}

static bool has_lost(const struct hold *h, unsigned topic)
{
	for (unsigned i = 0; i < KEEPER_N_HELD; i++)
		if (held[i].topic == topic && h->lost & 1U << i)
			return true;
	return false;
}

/* Not while a look is due anyway: a busy machine's thousand changes are one look. */
int hold_fd(const struct hold *h, const struct verbs *v, unsigned topic)
{
	const struct hold_topic *t = &h->topics[topic];

	return t->check_at_ms || !has_any(v, topic) ? -1 : t->fd;
}

void hold_changed(struct hold *h, unsigned topic, int64_t now_ms)
{
	struct hold_topic *t = &h->topics[topic];
	int64_t at = t->checked_ms + t->pause_ms;

	if (!t->check_at_ms)
		t->check_at_ms = at > now_ms ? at : now_ms;
}

static int64_t topic_deadline_ms(const struct hold *h, const struct verbs *v, unsigned topic)
{
	const struct hold_topic *t = &h->topics[topic];

	if (!has_any(v, topic) && !has_lost(h, topic))
		return INT64_MAX;
	if (t->check_at_ms)
		return t->check_at_ms;
	return has_lost(h, topic) || t->fd < 0 ? t->checked_ms + HOLD_PAUSE_MAX_MS : INT64_MAX;
}

int64_t hold_deadline_ms(const struct hold *h, const struct verbs *v)
{
	int64_t at = INT64_MAX;

	for (unsigned i = 0; i < HOLD_N_TOPICS; i++)
		if (topic_deadline_ms(h, v, i) < at)
			at = topic_deadline_ms(h, v, i);
	return at;
}

static void set_lost(struct hold *h, unsigned which, bool is_lost, void (*tell)(void *arg),
		     void *arg)
{
	unsigned bit = 1U << which;

	h->lost = is_lost ? h->lost | bit : h->lost & ~bit;
	tell(arg);
}

static void log_repair(struct hold *h, unsigned which, struct log *log, int64_t now_ms)
{
	unsigned *n = &h->of[which].n_unlogged;
	int64_t *logged_ms = &h->of[which].logged_ms;

	(*n)++;
	if (*logged_ms && now_ms - *logged_ms < HOLD_LOG_EVERY_MS)
		return;
	log_warning(log, "host_state_set_again", log_str("what", held[which].what),
		    log_str("why", "another program had removed it"), log_u64("times", *n));
	*n = 0;
	*logged_ms = now_ms;
}

static void repair(struct hold *h, struct verbs *v, unsigned which, struct log *log, int64_t now_ms,
		   void (*tell)(void *arg), void *arg)
{
	bool was_lost = h->lost & 1U << which;
	char why[KEEPER_WHY_SIZE] = "";
	int r;

	if (!was_lost && is_slow(which)) {
		(void)snprintf(h->of[which].why, KEEPER_WHY_SIZE,
			       "another program removed %s; it is being set again",
			       held[which].what);
		set_lost(h, which, true, tell, arg);
	}
	r = held[which].repair(v, why);
	if (r == 0)
		log_repair(h, which, log, now_ms);
	else if (!was_lost)
		log_error(log, "host_state_lost", log_str("what", held[which].what),
			  log_str("why", why));
	if (r == 0)
		memcpy(h->of[which].why, why, sizeof(why));
	else
		(void)snprintf(h->of[which].why, KEEPER_WHY_SIZE,
			       "another program removed %.60s; it cannot be set again: %.80s",
			       held[which].what, why);
	if (r < 0)
		h->told &= ~(1U << which); /* now with this reason */
	set_lost(h, which, r < 0, tell, arg);
}

/* Our own, with another content: nothing was lost. */
static bool keep_nat(struct verbs *v, struct log *log)
{
	char why[KEEPER_WHY_SIZE];

	if (!forwarding_is_outdated(&v->ways, v->options->tun_name))
		return false;
	if (forwarding_repair(&v->ways, v->options->tun_name, why) < 0)
		log_warning(log, "nat_not_changed", log_str("why", why));
	return true;
}

static void check_topic(struct hold *h, struct verbs *v, unsigned topic, struct log *log,
			bool is_guard_busy, int64_t now_ms, void (*tell)(void *arg), void *arg)
{
	struct hold_topic *t = &h->topics[topic];
	bool is_unknown = false, is_costly = false;

	if (now_ms - t->repaired_ms > HOLD_CALM_MS)
		t->pause_ms = HOLD_PAUSE_MIN_MS;
	t->check_at_ms = 0;
	t->checked_ms = now_ms;
	if (t->fd >= 0)
		netlink_changes_forget(t->fd);
	for (unsigned i = 0; i < KEEPER_N_HELD; i++) {
		int r = 0;

		if (held[i].topic != topic)
			continue;
		if (held[i].is_set(v) && !(i == KEEPER_HELD_GUARD && is_guard_busy))
			r = held[i].is_missing(v);
		is_unknown |= r < 0;
		is_costly |= r == 1 && is_slow(i);
		if (r == 1)
			repair(h, v, i, log, now_ms, tell, arg);
		if (r == 0 && h->lost & 1U << i) { /* somebody else did, or it is off */
			h->of[i].why[0] = '\0';
			set_lost(h, i, false, tell, arg);
		}
	}
	if (topic == NETLINK_NFTABLES && v->ways.is_forwarding && !has_lost(h, topic))
		is_costly |= keep_nat(v, log);
	if (is_costly) {
		t->repaired_ms = now_ms;
		t->pause_ms *= 2;
	}
	if (t->pause_ms > HOLD_PAUSE_MAX_MS)
		t->pause_ms = HOLD_PAUSE_MAX_MS;
	if (is_unknown) /* it changed while it was listed: once more */
		t->check_at_ms = now_ms + t->pause_ms;
}

void hold_check(struct hold *h, struct verbs *v, struct log *log, bool is_guard_busy,
		int64_t now_ms, void (*tell)(void *arg), void *arg)
{
	for (unsigned i = 0; i < HOLD_N_TOPICS; i++)
		if (now_ms >= topic_deadline_ms(h, v, i))
			check_topic(h, v, i, log, is_guard_busy, now_ms, tell, arg);
}

bool hold_news(const struct hold *h, struct reply *ret)
{
	unsigned news = h->lost ^ h->told, which = 0;

	if (news == 0)
		return false;
	while (!(news & 1U << which))
		which++;
	*ret = (struct reply){ .number = which,
			       .result = h->lost & 1U << which ? -ENOENT : 0,
			       .fd = -1 };
	memcpy(ret->why, h->of[which].why, sizeof(ret->why));
	return true;
}

void hold_told(struct hold *h, const struct reply *news)
{
	h->told ^= 1U << news->number;
}
