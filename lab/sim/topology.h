/* SPDX-License-Identifier: Apache-2.0 */
/* topology.h - a graph of nodes and links to simulate: read from a file or made by a generator.
 *
 * The file is JSON, {"nodes":[{"id":0}, ...], "links":[{"source":0,"target":1, ...}, ...]}, as
 * docs/simulator.md describes. Whatever is in it, it is refused with the place, or understood. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOPOLOGY_NODES_MAX 10000
#define TOPOLOGY_LINKS_MAX 100000
#define TOPOLOGY_DEGREE_MAX 256 /* a node has no more neighbours: ROUTE_NEIGHBOURS_MAX */
#define TOPOLOGY_FILE_MAX (16U << 20)
#define TOPOLOGY_ERROR_SIZE 160
#define TOPOLOGY_NAME_SIZE 64
#define TOPOLOGY_DELAY_MAX_US 10000000U

struct topology_link {
	uint32_t a, b;	      /* numbers of nodes */
	uint32_t delay_us;    /* one way */
	uint32_t loss_ppm[2]; /* mean: of what a sends, of what b sends */
	bool is_bursty;	      /* lost in bursts (Gilbert, Elliott), not one by one */
	uint64_t rate_bps;    /* 0: no limit */
};

struct topology_node {
	uint32_t id; /* in the file */
	double x, y; /* where has_places */
};

struct topology {
	char name[TOPOLOGY_NAME_SIZE];
	size_t n_nodes, n_links;
	struct topology_node *nodes;
	struct topology_link *links;
	bool has_places;
};

/* -EBADMSG: no such file of ours, and ret_error says where and why; -ENOMEM. */
int topology_parse(const char *text, size_t len, struct topology **ret,
		   char ret_error[TOPOLOGY_ERROR_SIZE]);
/* The same from a file; -errno where it cannot be read. */
int topology_load(const char *path, struct topology **ret, char ret_error[TOPOLOGY_ERROR_SIZE]);
void topology_free(struct topology *t);

enum topology_kind {
	TOPOLOGY_LINE,
	TOPOLOGY_RING,	  /* with n/8 chords */
	TOPOLOGY_GRID,	  /* as square as n allows */
	TOPOLOGY_TREE,	  /* each node has three below it */
	TOPOLOGY_GEO,	  /* random points, joined when near: mean degree about 6 */
	TOPOLOGY_TIERS,	  /* a ringed core, a middle joined to it twice, leaves joined once or twice
			   */
	TOPOLOGY_BA,	  /* Barabasi and Albert: each new node joins two, by their degree */
	TOPOLOGY_DIAMOND, /* four nodes, two ways */
	TOPOLOGY_N_KINDS,
};

const char *topology_kind_name(enum topology_kind k);
bool topology_kind_of(const char *name, enum topology_kind *ret);
/* n from 2 to TOPOLOGY_NODES_MAX nodes (diamond: always 4); connected. -EINVAL, -ENOMEM. */
int topology_generate(enum topology_kind kind, size_t n, uint64_t seed, struct topology **ret);

/* ---- for those that make one ---- */

int topology_new(size_t n_nodes, size_t links_size, struct topology **ret);
/* How lossy a link is by the transmit quality (0 to 1) that a community's map reports of it:
 * what is lost of frames that may be sent three times, (1 - tq)^3, at most 300,000 ppm. */
uint32_t topology_loss_of_tq(double tq);
