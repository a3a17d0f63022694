/* SPDX-License-Identifier: Apache-2.0 */
/* The specification of an episode, as tests/chaos/episode.py plans it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "chaos/chaos.h"

#define LONG_S 3600

static const char *const kinds[CHAOS_N_KINDS] = {
	[CHAOS_NONE] = "none",
	[CHAOS_LINK_CUT] = "link_cut",
	[CHAOS_CARRIER_LOSS] = "carrier_loss",
	[CHAOS_LOSS_ONE_WAY] = "loss_one_way",
	[CHAOS_DELAY_JITTER] = "delay_jitter",
	[CHAOS_RATE_LIMIT] = "rate_limit",
	[CHAOS_REORDERING] = "reordering",
	[CHAOS_MTU_BLACK_HOLE] = "mtu_black_hole",
	[CHAOS_SILENT_DROP] = "silent_drop",
	[CHAOS_LYING_NODE] = "lying_node",
	[CHAOS_DAEMON_KILLED] = "daemon_killed",
	[CHAOS_DAEMON_HUNG] = "daemon_hung",
	[CHAOS_PARTITION] = "partition",
};

static const char *const events[CHAOS_N_EVENTS] = {
	[CHAOS_REKEY] = "rekey",
	[CHAOS_SURGE] = "surge",
	[CHAOS_RESTART] = "restart",
	[CHAOS_JOIN] = "join",
};

const char *chaos_kind_name(enum chaos_kind k)
{
	return kinds[k];
}

const char *chaos_event_name(enum chaos_event_kind k)
{
	return events[k];
}

static int refuse(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(char *why, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(why, CHAOS_WHY_SIZE, format, arguments);
	va_end(arguments);
	return -EBADMSG;
}

/* -1: there is none of this name. */
static int find(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; name && i < n; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

static bool node_of(const struct chaos_spec *s, const json_t *name, uint32_t *ret)
{
	const char *text = json_string_value(name);

	for (uint32_t i = 0; text && i < s->n_nodes; i++)
		if (strcmp(s->names[i], text) == 0) {
			*ret = i;
			return true;
		}
	return false;
}

static int read_names(struct chaos_spec *s, const char *key, bool is_later, char *why)
{
	const json_t *list = json_object_get(s->json, key);
	const json_t *name;
	uint32_t other;
	size_t i;

	if (!json_is_array(list))
		return refuse(why, "%s is no list", key);
	json_array_foreach(list, i, name)
	{
		const char *text = json_string_value(name);

		if (!text || !text[0] || strlen(text) >= CHAOS_NAME_SIZE ||
		    node_of(s, name, &other))
			return refuse(why, "%s[%zu] is no name, or one that is there twice", key,
				      i);
		if (s->n_nodes == CHAOS_NODES_MAX)
			return refuse(why, "more than %d nodes", CHAOS_NODES_MAX);
		s->joins_later[s->n_nodes] = is_later;
		(void)snprintf(s->names[s->n_nodes++], CHAOS_NAME_SIZE, "%s", text);
	}
	return 0;
}

static int read_ends(const struct chaos_spec *s, const char *key, size_t max, uint32_t (*ret)[2],
		     size_t *ret_n, char *why)
{
	const json_t *list = json_object_get(s->json, key);
	const json_t *pair;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > max)
		return refuse(why, "%s is no list of 1 to %zu pairs", key, max);
	json_array_foreach(
		list, i,
		pair) if (json_array_size(pair) != 2 ||
			  !node_of(s, json_array_get(pair, 0), &ret[i][0]) ||
			  !node_of(s, json_array_get(pair, 1), &ret[i][1]) ||
			  ret[i][0] == ret[i][1]) return refuse(why,
								"%s[%zu] is no pair of two nodes",
								key, i);
	*ret_n = json_array_size(list);
	return 0;
}

static int read_events(struct chaos_spec *s, char *why)
{
	const json_t *list = json_object_get(s->json, "events");
	const json_t *event;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > CHAOS_EVENTS_MAX)
		return refuse(why, "events is no list of %d at most", CHAOS_EVENTS_MAX);
	json_array_foreach(list, i, event)
	{
		double at_s = json_number_value(json_array_get(event, 0));
		int kind =
			find(events, CHAOS_N_EVENTS, json_string_value(json_array_get(event, 1)));

		if (kind < 0 || !(at_s >= 0 && at_s <= s->seconds))
			return refuse(why, "events[%zu] is no [seconds, kind] of the simulator", i);
		s->events[s->n_events++] =
			(struct chaos_event){ at_s, (enum chaos_event_kind)kind };
	}
	return 0;
}

static int read_mandates(struct chaos_spec *s, char *why)
{
	const char *name;
	json_t *text, *all = json_object_get(s->json, "mandates");
	uint32_t node;

	if (!json_is_object(all))
		return refuse(why, "mandates is no object");
	json_object_foreach(all, name, text)
	{
		json_t *key = json_string(name);
		bool is_there = node_of(s, key, &node);

		json_decref(key);
		if (!is_there || !json_is_string(text))
			return refuse(why, "mandates of \"%.40s\" are no text, or it is no node",
				      name);
		s->mandates[node] = json_string_value(text);
	}
	return 0;
}

static int read_times(struct chaos_spec *s, char *why)
{
	int kind = find(kinds, CHAOS_N_KINDS, json_string_value(json_object_get(s->json, "kind")));

	s->seconds = json_number_value(json_object_get(s->json, "seconds"));
	s->inject_s = json_number_value(json_object_get(s->json, "inject_at"));
	s->lift_s = json_number_value(json_object_get(s->json, "lift_at"));
	s->seed = (uint64_t)json_integer_value(json_object_get(s->json, "fault_seed"));
	s->is_long = s->seconds > LONG_S;
	if (kind < 0)
		return refuse(why, "kind is none that the simulator has");
	s->kind = (enum chaos_kind)kind;
	if (!(s->seconds > 0 && s->seconds <= CHAOS_SECONDS_MAX) ||
	    !(s->inject_s >= 0 && s->inject_s <= s->lift_s && s->lift_s <= s->seconds))
		return refuse(why, "seconds, inject_at and lift_at do not fit together");
	return 0;
}

int chaos_spec_parse(json_t *json, struct chaos_spec *ret, char ret_why[CHAOS_WHY_SIZE])
{
	int r;

	*ret = (struct chaos_spec){ .json = json };
	r = read_times(ret, ret_why);
	r = r < 0 ? r : read_names(ret, "nodes", false, ret_why);
	r = r < 0 ? r : read_names(ret, "joins", true, ret_why);
	r = r < 0 ? r
		  : read_ends(ret, "links", CHAOS_LINKS_MAX, ret->links, &ret->n_links, ret_why);
	r = r < 0 ? r
		  : read_ends(ret, "pairs", CHAOS_PAIRS_MAX, ret->pairs, &ret->n_pairs, ret_why);
	r = r < 0 ? r : read_events(ret, ret_why);
	r = r < 0 ? r : read_mandates(ret, ret_why);
	if (r < 0)
		chaos_spec_done(ret);
	return r;
}

void chaos_spec_done(struct chaos_spec *s)
{
	json_decref(s->json);
	s->json = NULL;
}
