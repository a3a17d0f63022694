/* SPDX-License-Identifier: Apache-2.0 */
/* What the learned detectors are told of this host and its links, and what they say. */
#include <math.h>
#include <stdlib.h>

#include "base/units.h"
#include "core/manager/internal.h"
#include "core/unusual/spoken.h"

#define EVERY_US SECONDS(1)
#define LINK_SETTLES_US SECONDS(5) /* after an outage, until its times are measured again */
#define LOSS_WINDOW_US SECONDS(30) /* what an outage cost is in its loss for so long */
#define PPM 1e6

/* ---- what open incidents speak of ---- */

struct spoken {
	struct unusual_spoken of;
	uint64_t subject;
};

static size_t find_spoken(const struct manager *m, struct spoken ret[HEALING_INCIDENTS_MAX])
{
	const struct healing_incident *i;
	uint64_t cursor = 0;
	size_t n = 0;

	while (n < HEALING_INCIDENTS_MAX && (i = healing_next(m->healing, &cursor)))
		if (i->state != HEALING_CLOSED && i->state != HEALING_HEALED)
			ret[n++] = (struct spoken){ unusual_spoken_of(i->kind), i->subject };
	return n;
}

static unsigned masked(const struct spoken *spoken, size_t n, enum unusual_group g,
		       uint64_t subject)
{
	unsigned ret = 0;

	for (size_t i = 0; i < n; i++)
		if (spoken[i].of.group == g && spoken[i].subject == subject)
			ret |= spoken[i].of.features;
	return ret;
}

/* ---- rows ---- */

static void judge(struct manager *m, const struct unusual_row *row, uint64_t now_us)
{
	struct unusual_verdict v;
	struct healing_reading r = {
		.kind = HEALING_UNUSUAL,
		.subject = row->subject,
		.at_us = now_us,
		.n_samples = 1,
	};

	if (unusual_judge(m->unusual, row, now_us, &v) < 0)
		return; /* counted there */
	r.value = v.hint_bits;
	r.source = v.mostly[0] ? v.mostly : "its own past";
	manager_say(m, r, now_us);
}

static void judge_host(struct manager *m, double link_rtt_ms, unsigned mask, uint64_t now_us)
{
	struct unusual_row row = { .group = UNUSUAL_HOST, .masked = mask };

	for (unsigned which = 0; which < UNUSUAL_N_HOST; which++)
		row.values[which] = host_value_of(m, which, now_us);
	row.values[UNUSUAL_LINK_RTT] = link_rtt_ms;
	judge(m, &row, now_us);
}

/* One that is down, or has just come up, says nothing of how it is used to be. */
static bool is_steady(const struct node_peer_view *v, uint64_t now_us)
{
	return v->is_neighbour && v->state == LINK_UP && v->quality.rtt_us > 0 &&
	       now_us - v->quality.up_since_us >= LINK_SETTLES_US;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void judge_rows(struct manager *m, uint64_t now_us)
{
	struct spoken spoken[HEALING_INCIDENTS_MAX];
	double rtts_ms[MANAGER_WATCHED_MAX];
	struct node_peer_view v;
	size_t cursor = 0, n_spoken, n = 0;

	if (now_us < m->judged_us + EVERY_US)
		return;
	m->judged_us = now_us;
	n_spoken = find_spoken(m, spoken);
	while (n < MANAGER_WATCHED_MAX && node_next_peer(m->node, &cursor, now_us, &v)) {
		struct unusual_row row = { .group = UNUSUAL_LINK, .subject = v.node_id };

		if (!is_steady(&v, now_us))
			continue;
		rtts_ms[n] = v.quality.rtt_us / (double)US_PER_MS;
		row.values[UNUSUAL_RTT] = rtts_ms[n++];
		row.values[UNUSUAL_JITTER] = v.quality.jitter_us / (double)US_PER_MS;
		row.values[UNUSUAL_LOSS] = now_us - v.quality.up_since_us < LOSS_WINDOW_US
						   ? (double)NAN
						   : v.quality.loss_ppm / PPM;
		row.masked = masked(spoken, n_spoken, UNUSUAL_LINK, v.node_id);
		judge(m, &row, now_us);
	}
	qsort(rtts_ms, n, sizeof(*rtts_ms), compare);
	judge_host(m, n ? rtts_ms[n / 2] : (double)NAN, masked(spoken, n_spoken, UNUSUAL_HOST, 0),
		   now_us);
	unusual_tick(m->unusual, now_us);
}

/* Of the host, or of the link to a neighbour, whichever a reading is about. */
double surprise_of(const struct manager *m, const struct healing_reading *r, uint64_t now_us)
{
	bool is_of_host = r->kind == HEALING_CPU || r->kind == HEALING_MEMORY ||
			  r->kind == HEALING_DISK || (r->kind == HEALING_UNUSUAL && !r->subject);
	bool is_of_link = !is_of_host && r->kind != HEALING_SERVICE;

	if (!is_of_host && !is_of_link)
		return NAN;
	return unusual_bits(m->unusual, is_of_host ? UNUSUAL_HOST : UNUSUAL_LINK, r->subject,
			    now_us);
}
