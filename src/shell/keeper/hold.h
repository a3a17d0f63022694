/* SPDX-License-Identifier: Apache-2.0 */
/* hold.h - that what the keeper set on this host stays set: others delete it without a word
 * (`nft flush ruleset`, systemd-networkd that starts again). Inside the room only. */
#pragma once

#include "shell/keeper/verbs.h"

#define HOLD_PAUSE_MIN_MS 20	/* between two looks; doubled by each repair, */
#define HOLD_PAUSE_MAX_MS 1000	/* so that two that delete and set do not take the machine */
#define HOLD_CALM_MS 10000	/* without a repair: the pause is short again */
#define HOLD_LOG_EVERY_MS 10000 /* at most, of each kind */

#define HOLD_N_TOPICS 2 /* of enum netlink_topic */

/* One kind of changes, of enum netlink_topic. */
struct hold_topic {
	int fd;		     /* readable after a change; -1: the kernel does not tell */
	int64_t check_at_ms; /* 0: nothing has changed since */
	int64_t checked_ms, repaired_ms;
	unsigned pause_ms;
};

struct hold {
	struct hold_topic topics[HOLD_N_TOPICS];
	unsigned lost, told; /* bits of enum keeper_held: not there; and so the child was told */
	struct {
		int64_t logged_ms;
		unsigned n_unlogged; /* repairs */
		char why[KEEPER_WHY_SIZE];
	} of[KEEPER_N_HELD];
};

void hold_begin(struct hold *h);
void hold_end(struct hold *h);
/* To be polled for reading; -1 for none. */
int hold_fd(const struct hold *h, const struct verbs *v, unsigned topic);
/* Something changed, or was set. */
void hold_changed(struct hold *h, unsigned topic, int64_t now_ms);
/* When to check: INT64_MAX for never. */
int64_t hold_deadline_ms(const struct hold *h, const struct verbs *v);
/* Where it is time looks, and sets again what is missing. is_guard_busy: just now it is being set.
 * tell is called before and after, where h->lost changes. */
void hold_check(struct hold *h, struct verbs *v, struct log *log, bool is_guard_busy,
		int64_t now_ms, void (*tell)(void *arg), void *arg);
/* What the child has not been told yet; say so with hold_told(). False: it knows all. */
bool hold_news(const struct hold *h, struct reply *ret);
void hold_told(struct hold *h, const struct reply *news);
