/* SPDX-License-Identifier: Apache-2.0 */
/* Topologies out of JSON. Bounds first, then each node and each link by its place. */
#include "sim/topology.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define KM_PER_MS 200.0	    /* light in fibre */
#define DETOUR 1.3	    /* fibres do not run straight */
#define DELAY_VPN_US 10000U /* where a file gives neither delay nor distance */
#define DELAY_RADIO_US 2000U
#define DELAY_OTHER_US 1000U
#define LOSS_OF_TQ_MAX_PPM 300000U
#define RATE_MAX_MBIT 1e6

DEFINE_FREEP(struct topology, topology_free)

static void json_freep(json_t **j)
{
	json_decref(*j);
}

int topology_new(size_t n_nodes, size_t links_size, struct topology **ret)
{
	CLEANUP(topology_freep) struct topology *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->n_nodes = n_nodes;
	t->nodes = calloc(n_nodes ? n_nodes : 1, sizeof(*t->nodes));
	t->links = calloc(links_size ? links_size : 1, sizeof(*t->links));
	if (!t->nodes || !t->links)
		return -ENOMEM;
	*ret = TAKE(t);
	return 0;
}

void topology_free(struct topology *t)
{
	if (!t)
		return;
	free(t->nodes);
	free(t->links);
	free(t);
}

uint32_t topology_loss_of_tq(double tq)
{
	double lost = 1.0 - tq;
	double ppm = lost * lost * lost * 1e6;

	return ppm >= LOSS_OF_TQ_MAX_PPM ? LOSS_OF_TQ_MAX_PPM : (uint32_t)ppm;
}

/* ---- reading ---- */

struct place {
	const char *list; /* "nodes", "links" */
	size_t i;
	char *error;
};

static int bad(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int bad(char *error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(error, TOPOLOGY_ERROR_SIZE, format, arguments);
	va_end(arguments);
	return -EBADMSG;
}

/* A number in [min, max]; where the key is absent *ret stays and 0 is returned, else 1. */
static int number(const json_t *o, const struct place *at, const char *key, double min, double max,
		  double *ret)
{
	const json_t *v = json_object_get(o, key);
	double d;

	if (!v)
		return 0;
	d = json_number_value(v);
	if (!json_is_number(v) || !(d >= min && d <= max))
		return bad(at->error, "%s[%zu].%s: a number from %g to %g is needed", at->list,
			   at->i, key, min, max);
	*ret = d;
	return 1;
}

static int identifier(const json_t *o, const struct place *at, const char *key, uint32_t *ret)
{
	const json_t *v = json_object_get(o, key);
	json_int_t i = json_integer_value(v);

	if (!json_is_integer(v) || i < 0 || i > UINT32_MAX)
		return bad(at->error, "%s[%zu].%s: a whole number from 0 to 4294967295 is needed",
			   at->list, at->i, key);
	*ret = (uint32_t)i;
	return 0;
}

/* Node numbers by id, sorted. */
struct index {
	uint32_t id;
	uint32_t node;
};

static int by_id(const void *a, const void *b)
{
	const struct index *x = a;
	const struct index *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->node < y->node ? -1 : 1;
}

static int read_place(const json_t *o, const struct place *at, struct topology *t)
{
	struct topology_node *n = &t->nodes[at->i];
	int x = number(o, at, "x", -1e9, 1e9, &n->x);
	int y = x < 0 ? x : number(o, at, "y", -1e9, 1e9, &n->y);

	if (x < 0 || y < 0)
		return -EBADMSG;
	if (x != y)
		return bad(at->error, "nodes[%zu]: x and y go together", at->i);
	t->has_places = t->has_places && x;
	return 0;
}

static int read_nodes(const json_t *nodes, struct topology *t, struct index *ret, char *error)
{
	t->has_places = true;
	for (size_t i = 0; i < t->n_nodes; i++) {
		const json_t *o = json_array_get(nodes, i);
		struct place at = { "nodes", i, error };

		if (!json_is_object(o))
			return bad(error, "nodes[%zu]: an object is needed", i);
		if (identifier(o, &at, "id", &t->nodes[i].id) < 0 || read_place(o, &at, t) < 0)
			return -EBADMSG;
		ret[i] = (struct index){ t->nodes[i].id, (uint32_t)i };
	}
	qsort(ret, t->n_nodes, sizeof(*ret), by_id);
	for (size_t i = 1; i < t->n_nodes; i++)
		if (ret[i].id == ret[i - 1].id)
			return bad(error, "nodes[%u].id: nodes[%u] has the id %u already",
				   ret[i].node, ret[i - 1].node, ret[i].id);
	return 0;
}

static int end_of(const json_t *o, const struct place *at, const char *key, const struct index *ids,
		  size_t n, uint32_t *ret)
{
	struct index wanted = { 0 };
	size_t low = 0;
	size_t high = n;

	if (identifier(o, at, key, &wanted.id) < 0)
		return -EBADMSG;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ids[middle].id < wanted.id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == n || ids[low].id != wanted.id)
		return bad(at->error, "links[%zu].%s: no node has the id %u", at->i, key,
			   wanted.id);
	*ret = ids[low].node;
	return 0;
}

static uint32_t usual_delay_us(const char *type)
{
	if (type && strcmp(type, "vpn") == 0)
		return DELAY_VPN_US;
	if (type && (strcmp(type, "wifi") == 0 || strcmp(type, "other") == 0 ||
		     strcmp(type, "active") == 0))
		return DELAY_RADIO_US;
	return DELAY_OTHER_US;
}

static int read_delay(const json_t *o, const struct place *at, struct topology_link *ret)
{
	const json_t *type = json_object_get(o, "type");
	double ms = 0;
	double km = 0;
	int has_ms = number(o, at, "delay_ms", 0, TOPOLOGY_DELAY_MAX_US / 1000.0, &ms);
	int has_km = number(o, at, "km", 0, 50000, &km);

	if (has_ms < 0 || has_km < 0)
		return -EBADMSG;
	if (type && !json_is_string(type))
		return bad(at->error, "links[%zu].type: a string is needed", at->i);
	if (has_ms)
		ret->delay_us = (uint32_t)(ms * 1000);
	else if (has_km)
		ret->delay_us = (uint32_t)(km / KM_PER_MS * DETOUR * 1000);
	else
		ret->delay_us = usual_delay_us(json_string_value(type));
	if (ret->delay_us == 0)
		ret->delay_us = 1;
	return 0;
}

static int read_loss(const json_t *o, const struct place *at, struct topology_link *ret)
{
	double tq[2] = { 1, 1 };
	double percent = 0;
	int source = number(o, at, "source_tq", 0, 1, &tq[0]);
	int target = source < 0 ? source : number(o, at, "target_tq", 0, 1, &tq[1]);
	int flat = target < 0 ? target : number(o, at, "loss_pct", 0, 100, &percent);

	if (source < 0 || target < 0 || flat < 0)
		return -EBADMSG;
	for (unsigned i = 0; i < 2; i++)
		ret->loss_ppm[i] = flat ? (uint32_t)(percent * 10000) : topology_loss_of_tq(tq[i]);
	ret->is_bursty = !flat && (source || target);
	return 0;
}

static int read_link(const json_t *o, const struct place *at, const struct topology *t,
		     const struct index *ids, struct topology_link *ret)
{
	double mbit = 0;

	if (!json_is_object(o))
		return bad(at->error, "links[%zu]: an object is needed", at->i);
	if (end_of(o, at, "source", ids, t->n_nodes, &ret->a) < 0 ||
	    end_of(o, at, "target", ids, t->n_nodes, &ret->b) < 0)
		return -EBADMSG;
	if (ret->a == ret->b)
		return bad(at->error, "links[%zu]: it joins node %u to itself", at->i,
			   t->nodes[ret->a].id);
	if (read_delay(o, at, ret) < 0 || read_loss(o, at, ret) < 0 ||
	    number(o, at, "rate_mbit", 0.001, RATE_MAX_MBIT, &mbit) < 0)
		return -EBADMSG;
	ret->rate_bps = (uint64_t)(mbit * 1e6);
	return 0;
}

/* A pair of nodes, and the link that joins it. */
struct pair {
	uint64_t nodes;
	size_t link;
};

static int by_pair(const void *a, const void *b)
{
	const struct pair *x = a;
	const struct pair *y = b;

	if (x->nodes != y->nodes)
		return x->nodes < y->nodes ? -1 : 1;
	return x->link < y->link ? -1 : 1;
}

static int check_pairs(const struct topology *t, char *error)
{
	CLEANUP_FREE struct pair *pairs = calloc(t->n_links ? t->n_links : 1, sizeof(*pairs));

	if (!pairs)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_links; i++) {
		uint64_t low = t->links[i].a < t->links[i].b ? t->links[i].a : t->links[i].b;
		uint64_t high = t->links[i].a + (uint64_t)t->links[i].b - low;

		pairs[i] = (struct pair){ low << 32 | high, i };
	}
	qsort(pairs, t->n_links, sizeof(*pairs), by_pair);
	for (size_t i = 1; i < t->n_links; i++)
		if (pairs[i].nodes == pairs[i - 1].nodes)
			return bad(error, "links[%zu]: links[%zu] joins the same two nodes already",
				   pairs[i].link, pairs[i - 1].link);
	return 0;
}

static int check_degrees(const struct topology *t, char *error)
{
	CLEANUP_FREE uint32_t *degree = calloc(t->n_nodes, sizeof(*degree));

	if (!degree)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_links; i++) {
		uint32_t ends[2] = { t->links[i].a, t->links[i].b };

		for (unsigned k = 0; k < 2; k++)
			if (++degree[ends[k]] > TOPOLOGY_DEGREE_MAX)
				return bad(error, "links[%zu]: node %u has more than %d neighbours",
					   i, t->nodes[ends[k]].id, TOPOLOGY_DEGREE_MAX);
	}
	return 0;
}

static int read_graph(const json_t *nodes, const json_t *links, struct topology *t, char *error)
{
	CLEANUP_FREE struct index *ids = calloc(t->n_nodes, sizeof(*ids));
	int r;

	if (!ids)
		return -ENOMEM;
	r = read_nodes(nodes, t, ids, error);
	for (size_t i = 0; r == 0 && i < json_array_size(links); i++) {
		struct place at = { "links", i, error };

		r = read_link(json_array_get(links, i), &at, t, ids, &t->links[i]);
	}
	t->n_links = json_array_size(links);
	if (r == 0)
		r = check_pairs(t, error);
	return r < 0 ? r : check_degrees(t, error);
}

/* Printable ASCII alone: it is shown. */
static void take_name(struct topology *t, const json_t *root)
{
	const char *name = json_string_value(json_object_get(root, "name"));

	for (size_t i = 0; name && name[i] && i + 1 < sizeof(t->name); i++)
		t->name[i] = name[i] > ' ' && name[i] <= '~' ? name[i] : '?';
	if (!t->name[0])
		(void)snprintf(t->name, sizeof(t->name), "unnamed");
}

int topology_parse(const char *text, size_t len, struct topology **ret,
		   char ret_error[TOPOLOGY_ERROR_SIZE])
{
	json_error_t error;
	CLEANUP(json_freep) json_t *root = NULL;
	CLEANUP(topology_freep) struct topology *t = NULL;
	const json_t *nodes, *links;
	int r;

	ret_error[0] = '\0';
	if (len > TOPOLOGY_FILE_MAX)
		return bad(ret_error, "longer than %u bytes", TOPOLOGY_FILE_MAX);
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return bad(ret_error, "line %d, column %d: %.100s", error.line, error.column,
			   error.text);
	nodes = json_object_get(root, "nodes");
	links = json_object_get(root, "links");
	if (!json_is_array(nodes) || !json_is_array(links))
		return bad(ret_error, "an object with the arrays nodes and links is needed");
	if (json_array_size(nodes) < 2 || json_array_size(nodes) > TOPOLOGY_NODES_MAX)
		return bad(ret_error, "nodes: 2 to %d are needed, not %zu", TOPOLOGY_NODES_MAX,
			   json_array_size(nodes));
	if (json_array_size(links) > TOPOLOGY_LINKS_MAX)
		return bad(ret_error, "links: at most %d, not %zu", TOPOLOGY_LINKS_MAX,
			   json_array_size(links));
	r = topology_new(json_array_size(nodes), json_array_size(links), &t);
	if (r == 0)
		r = read_graph(nodes, links, t, ret_error);
	if (r < 0)
		return r;
	take_name(t, root);
	*ret = TAKE(t);
	return 0;
}

static void fclosep(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

int topology_load(const char *path, struct topology **ret, char ret_error[TOPOLOGY_ERROR_SIZE])
{
	CLEANUP(fclosep) FILE *f = fopen(path, "re");
	CLEANUP_FREE char *text = malloc(TOPOLOGY_FILE_MAX + 1U);
	size_t len;

	if (!f) {
		int r = -errno;

		(void)snprintf(ret_error, TOPOLOGY_ERROR_SIZE, "%s", strerror(errno));
		return r;
	}
	if (!text)
		return -ENOMEM;
	len = fread(text, 1, TOPOLOGY_FILE_MAX + 1U, f);
	if (ferror(f)) {
		(void)snprintf(ret_error, TOPOLOGY_ERROR_SIZE, "it cannot be read");
		return -EIO;
	}
	return topology_parse(text, len, ret, ret_error);
}
