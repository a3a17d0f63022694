/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of manager/ share. */
#pragma once

#include "core/manager/manager.h"

#define MANAGER_REACHED_MAX 32

/* A probe under way: whether what was done helped, as seen from outside. */
struct manager_check {
	uint64_t ticket; /* 0: free */
	enum healing_kind kind;
	uint64_t subject, about;
	uint32_t ping_id;
	bool is_second; /* the first series was not answered */
	unsigned n_sent, n_answered;
	uint64_t next_us, ends_us;
};

/* What is remembered of a neighbour between two looks. */
struct manager_peer {
	uint64_t id; /* 0: free */
	uint64_t seen_us;
	unsigned n_unannounced;
	uint64_t restarted_us; /* last, without a goodbye; 0: not since it is known */
	bool is_cut_off;       /* its link went down as others became unreachable too */
};

struct manager {
	struct node *node;
	bool (*can_free_space)(void *arg, const char **ret_why_not);
	void *arg;
	struct healing *healing;
	struct unusual *unusual;
	struct manager_host host; /* at_us 0: nothing is known */
	struct manager_check checks[HEALING_AT_ONCE_MAX];
	struct manager_peer peers[MANAGER_WATCHED_MAX];
	size_t n_reached[MANAGER_REACHED_MAX]; /* nodes, at the last whole looks; a ring */
	uint64_t reached_us[MANAGER_REACHED_MAX];
	unsigned reached_at;
	uint32_t next_ping;
	uint64_t looked_us;    /* the last whole look */
	uint64_t judged_us;    /* rows were judged */
	uint64_t suspected_us; /* when more first seemed lost on a way */
	uint64_t doubted_us;   /* and when one last did */
	bool is_suspect;       /* one seems to, now */
	uint64_t surveyed_us;  /* when others were last asked for their links */
};

/* A value of the host that is not too old, else NaN. */
double host_value_of(const struct manager *m, unsigned which, uint64_t now_us);

/* ---- readings.c ---- */

/* A link than it has been. */
double slower_by_ms(const struct link_quality *q);
void read_links(struct manager *m, uint64_t now_us);
/* True while more seems to be lost on a way than usual. */
bool read_deliveries(struct manager *m, uint64_t now_us);

/* ---- rows.c ---- */

/* What the learned detectors are told of this host and its links: at most they hint. */
void judge_rows(struct manager *m, uint64_t now_us);
/* Bits by which they did not foresee what the reading is about; NaN: they say nothing of it. */
double surprise_of(const struct manager *m, const struct healing_reading *r, uint64_t now_us);
