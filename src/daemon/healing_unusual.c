/* SPDX-License-Identifier: Apache-2.0 */
/* The learned detectors of core/manager, as seen from outside. */
#include <math.h>

#include "base/units.h"
#include "daemon/healing.h"

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

	while (unusual_next(manager_unusual(l->manager), &cursor, &v))
		ret = v.mode > ret ? v.mode : ret;
	return ret;
}

const char *healing_detectors_mode(const struct healing_loop *l)
{
	return unusual_mode_name(mode_in_force(l));
}

json_t *healing_detectors_json(const struct healing_loop *l)
{
	struct unusual_counters c;
	uint64_t now_us = loop_now_us();
	enum unusual_mode mode = mode_in_force(l);
	struct unusual_view v = { 0 };
	struct healing_counters h;
	json_t *list = json_array();
	size_t cursor = 0;

	healing_counters(l->core, &h);
	unusual_counters(manager_unusual(l->manager), &c);
	while (unusual_next(manager_unusual(l->manager), &cursor, &v))
		(void)json_array_append_new(list, subject_json(l, &v, now_us));
	return json_pack(
		"{s:s, s:s, s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
		"stage", "observe", "mode", unusual_mode_name(mode), "why",
		mode == UNUSUAL_RULES ? "too little of the past is known yet: rules alone judge"
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
