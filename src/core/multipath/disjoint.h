/* SPDX-License-Identifier: Apache-2.0 */
/* disjoint.h - ways between two nodes that have no node in common but these, as short as can be
 * together (R. Bhandari, Survivable Networks, 1999, chapter 3). Deterministic: of equal ones the
 * way by nodes that were added first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRAPH_NODES_MAX 64  /* a view of the surroundings, and not of a whole zone */
#define GRAPH_DEGREE_MAX 32 /* links kept of one node */
#define PATHS_MAX 3	    /* more hardly ever exist */
#define PATH_NODES_MAX 12   /* as many labels as a packet has room for */

struct graph_link {
	uint8_t to;    /* a place in nodes */
	uint32_t cost; /* at least 1 */
};

struct graph_node {
	uint64_t id;
	size_t n_links;
	struct graph_link links[GRAPH_DEGREE_MAX];
};

/* All zeros is an empty one. */
struct graph {
	size_t n;
	struct graph_node nodes[GRAPH_NODES_MAX];
};

/* The node's place, made where there is none; -1: there are GRAPH_NODES_MAX. */
int graph_node(struct graph *g, uint64_t id);
int graph_find(const struct graph *g, uint64_t id); /* -1: none */
/* One way only. A second one between the same two: the cheaper counts. False: there is no room. */
bool graph_link(struct graph *g, uint64_t from, uint64_t to, uint32_t cost);

struct path {
	size_t n; /* nodes, both ends counted */
	uint64_t nodes[PATH_NODES_MAX];
	uint32_t cost;
};

/* Up to n_wanted (PATHS_MAX at most) of them, as many as there are, and then with the least sum of
 * costs, the cheapest first; one is the shortest path. One of more than PATH_NODES_MAX nodes is
 * left out. Returns how many. */
size_t disjoint_paths(const struct graph *g, uint64_t from, uint64_t to, size_t n_wanted,
		      struct path ret[PATHS_MAX]);
