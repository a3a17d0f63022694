/* SPDX-License-Identifier: Apache-2.0 */
/* causes.h - which of the things that a symptom depends on explains it best.
 *
 * A vertex is a link, a route, a node or a host, with how far it is from what it should be and
 * since when; an edge leads from what depends to what it depends on. From the symptom back along
 * three edges at most, each vertex explains so much of it as its own deviation, weakened by each
 * edge and where it began after the symptom did. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEALING_VERTICES_MAX 24
#define HEALING_EDGES_MAX 48
#define HEALING_HOPS_MAX 3
#define HEALING_CAUSES_MAX 5

/* Of edges: how much of a link behind something shows in that. Of one that is far from the
 * destination no more is known than that it is behind its next hop: enough to go around it (half),
 * not to be sure, and the next hop itself is the lesser guess. */
#define HEALING_LINK_WEIGHT 0.9
#define HEALING_BEHIND_WEIGHT 0.6
#define HEALING_AFAR_NODE_WEIGHT 0.4

enum healing_vertex_kind {
	VERTEX_ROUTE,  /* a: next hop, b: destination */
	VERTEX_LINK,   /* between a and b */
	VERTEX_NODE,   /* a: what it does with what it is given */
	VERTEX_HOST,   /* a: the machine below it */
	VERTEX_BEHIND, /* a: next hop; b: destination: whatever is between the two, nobody knows
			  what */
};

struct healing_vertex {
	enum healing_vertex_kind kind;
	uint64_t a, b;
	double deviation;   /* 0 as it should be, 1 nothing works; NaN: not known */
	uint64_t at_us;	    /* when it was measured; 0: not known */
	uint64_t since_us;  /* when it began to deviate; 0: not known */
	const char *source; /* static text */
};

struct healing_edge {
	uint8_t from, to; /* from depends on to */
	double weight;	  /* 0 to 1: how much of what happens to `to` shows in `from` */
};

/* Vertex 0 is the symptom. */
struct healing_graph {
	size_t n_vertices, n_edges;
	struct healing_vertex vertices[HEALING_VERTICES_MAX];
	struct healing_edge edges[HEALING_EDGES_MAX];
};

struct healing_cause {
	struct healing_vertex vertex;
	unsigned n_hops;   /* from the symptom */
	double explained;  /* share of the symptom's deviation, 0 to 1 */
	double confidence; /* against the others; all sum to 1 at most */
};

struct healing_ranking {
	size_t n;
	struct healing_cause causes[HEALING_CAUSES_MAX]; /* the best first */
	unsigned n_unknown;				 /* vertices that nothing is known of */
};

/* Index of the vertex, which is added where it is not there yet. -ENOBUFS. */
int graph_vertex(struct healing_graph *g, const struct healing_vertex *v);
/* -EINVAL: no such vertex, or a weight that is none; -ENOBUFS. */
int graph_edge(struct healing_graph *g, int from, int to, double weight);

/* Deterministic: of equals the one nearer to the symptom, then the one added first. */
void healing_rank(const struct healing_graph *g, struct healing_ranking *ret);

const char *healing_vertex_kind_name(enum healing_vertex_kind k);
