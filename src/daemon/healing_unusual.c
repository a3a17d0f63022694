/* SPDX-License-Identifier: Apache-2.0 */
/* What the learned detectors are told of this host and its links, and what they say. */
#include <math.h>
#include <stdlib.h>

#include "base/units.h"
#include "core/unusual/spoken.h"
#include "core/unusual/unusual.h"
#include "daemon/healing.h"
#include "shell/host/host.h"

#define EVERY_US SECONDS(1)
#define LINK_SETTLES_US SECONDS(5) /* after an outage, until its times are measured again */
#define LOSS_WINDOW_US SECONDS(30) /* what an outage cost is in its loss for so long */
#define PPM 1e6
#define FRESH_US SECONDS(4)

void healing_unusual_begin(struct healing_loop *l, uint64_t seed)
{
	unsigned learn_s = (unsigned)l->daemon->options->config->healing_learn_s;
	int r = unusual_new(seed, learn_s, &l->unusual);

	daemon_feature(l->daemon, "healing.learned", r == 0, r == 0 ? "" : "out of memory");
}

void healing_unusual_end(struct healing_loop *l)
{
	unusual_free(l->unusual);
	l->unusual = NULL;
}

/* ---- what open incidents speak of ---- */

struct spoken {
	struct unusual_spoken of;
	uint64_t subject;
};

static size_t find_spoken(const struct healing_loop *l, struct spoken ret[HEALING_INCIDENTS_MAX])
{
	const struct healing_incident *i;
	uint64_t cursor = 0;
	size_t n = 0;

	while (n < HEALING_INCIDENTS_MAX && (i = healing_next(l->core, &cursor)))
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

static void judge(struct healing_loop *l, const struct unusual_row *row, uint64_t now_us)
{
	struct unusual_verdict v;
	struct healing_reading r = {
		.kind = HEALING_UNUSUAL,
		.subject = row->subject,
		.at_us = now_us,
		.n_samples = 1,
	};

	if (unusual_judge(l->unusual, row, now_us, &v) < 0)
		return; /* counted there */
	r.value = v.hint_bits;
	r.source = v.mostly[0] ? v.mostly : "its own past";
	healing_say(l, r, now_us);
}

static double known(const struct healing_loop *l, enum host_signal which, uint64_t now_us)
{
	const struct host_value *v = l->host ? host_value(l->host, which) : NULL;

	return v && host_is_known(v, now_us, FRESH_US) ? v->value : (double)NAN;
}

static double used(double free_part, double whole)
{
	return whole > 0 ? 1 - free_part / whole : (double)NAN;
}

static void judge_host(struct healing_loop *l, double link_rtt_ms, unsigned mask, uint64_t now_us)
{
	struct unusual_row row = { .group = UNUSUAL_HOST, .masked = mask };
	double *v = row.values;

	v[UNUSUAL_CPU] = known(l, HOST_CPU_MACHINE, now_us);
	v[UNUSUAL_MEMORY] =
		used(known(l, HOST_MEMORY_FREE, now_us), known(l, HOST_MEMORY_TOTAL, now_us));
	v[UNUSUAL_DISK] = used(known(l, HOST_DISK_FREE, now_us), known(l, HOST_DISK_TOTAL, now_us));
	v[UNUSUAL_PRESSURE_CPU] = known(l, HOST_PRESSURE_CPU, now_us);
	v[UNUSUAL_PRESSURE_MEMORY] = known(l, HOST_PRESSURE_MEMORY, now_us);
	v[UNUSUAL_PRESSURE_IO] = known(l, HOST_PRESSURE_IO, now_us);
	v[UNUSUAL_LOOP_LATE] = known(l, HOST_LOOP_LATE, now_us) / US_PER_MS;
	v[UNUSUAL_LINK_RTT] = link_rtt_ms;
	judge(l, &row, now_us);
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

void healing_unusual_read(struct healing_loop *l, uint64_t now_us)
{
	struct spoken spoken[HEALING_INCIDENTS_MAX];
	double rtts_ms[HEALING_WATCHED_MAX];
	struct node_peer_view v;
	size_t cursor = 0, n_spoken, n = 0;

	if (!l->unusual || now_us < l->unusual_us + EVERY_US)
		return;
	l->unusual_us = now_us;
	n_spoken = find_spoken(l, spoken);
	while (n < HEALING_WATCHED_MAX && node_next_peer(l->daemon->node, &cursor, now_us, &v)) {
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
		judge(l, &row, now_us);
	}
	qsort(rtts_ms, n, sizeof(*rtts_ms), compare);
	judge_host(l, n ? rtts_ms[n / 2] : (double)NAN, masked(spoken, n_spoken, UNUSUAL_HOST, 0),
		   now_us);
	unusual_tick(l->unusual, now_us);
}

/* Of the host, or of the link to a neighbour, whichever a reading is about. */
double healing_surprise(const struct healing_loop *l, const struct healing_reading *r,
			uint64_t now_us)
{
	bool is_of_host = r->kind == HEALING_CPU || r->kind == HEALING_MEMORY ||
			  r->kind == HEALING_DISK || (r->kind == HEALING_UNUSUAL && !r->subject);
	bool is_of_link = !is_of_host && r->kind != HEALING_SERVICE;

	if (!l->unusual || (!is_of_host && !is_of_link))
		return NAN;
	return unusual_bits(l->unusual, is_of_host ? UNUSUAL_HOST : UNUSUAL_LINK, r->subject,
			    now_us);
}

/* ---- seen from outside ---- */

static json_t *bits_json(double bits)
{
	return isnan(bits) ? json_null() : json_real(bits);
}

static json_t *subject_json(const struct healing_loop *l, const struct unusual_view *v,
			    uint64_t now_us)
{
	char name[NODE_NAME_MAX + 1];

	healing_name(l->daemon, v->subject, name);
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:s, s:I}", "subject", name,
			 "group", unusual_group_name(v->group), "mode", unusual_mode_name(v->mode),
			 "why", v->why, "samples", (json_int_t)v->n_samples, "features",
			 (json_int_t)v->n_features, "learned", (json_int_t)v->n_learned, "bits",
			 bits_json(v->bits), "mostly", v->mostly, "age_ms",
			 (json_int_t)((now_us - v->at_us) / US_PER_MS));
}

static enum unusual_mode mode_in_force(const struct healing_loop *l)
{
	enum unusual_mode ret = UNUSUAL_RULES;
	struct unusual_view v;
	size_t cursor = 0;

	while (l->unusual && unusual_next(l->unusual, &cursor, &v))
		ret = v.mode > ret ? v.mode : ret;
	return ret;
}

const char *healing_detectors_mode(const struct healing_loop *l)
{
	return unusual_mode_name(mode_in_force(l));
}

json_t *healing_detectors_json(const struct healing_loop *l)
{
	struct unusual_counters c = { 0 };
	uint64_t now_us = loop_now_us();
	enum unusual_mode mode = mode_in_force(l);
	struct unusual_view v = { 0 };
	struct healing_counters h;
	json_t *list = json_array();
	size_t cursor = 0;

	healing_counters(l->core, &h);
	if (l->unusual)
		unusual_counters(l->unusual, &c);
	while (l->unusual && unusual_next(l->unusual, &cursor, &v))
		(void)json_array_append_new(list, subject_json(l, &v, now_us));
	return json_pack(
		"{s:s, s:s, s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
		"stage", "observe", "mode", unusual_mode_name(mode), "why",
		!l->unusual		? "there was no memory for learned detectors"
		: mode == UNUSUAL_RULES ? "too little of the past is known yet: rules alone judge"
					: "",
		"hint_at_bits", healing_opens_at(HEALING_UNUSUAL), "learn_s",
		(json_int_t)l->daemon->options->config->healing_learn_s, "rows", (json_int_t)c.rows,
		"refused", (json_int_t)c.refused, "odd", (json_int_t)c.odd, "adopted",
		(json_int_t)c.adopted, "drifts", (json_int_t)c.drifts, "left_out",
		(json_int_t)c.left_out, "hints", (json_int_t)h.hints, "hints_left_out",
		(json_int_t)h.hints_left_out, "hints_confirmed", (json_int_t)h.hints_confirmed,
		"subjects", list);
}

void healing_detectors(struct daemon *d, uint64_t request)
{
	if (!healing_is_off(d, request))
		(void)answer_result(d, request, healing_detectors_json(d->healing));
}
