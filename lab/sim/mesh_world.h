/* SPDX-License-Identifier: Apache-2.0 */
/* mesh_world.h - what the files of the mesh share. */
#pragma once

#include "base/rng.h"
#include "base/units.h"
#include "core/forward/hints.h"
#include "core/link/stream.h"
#include "core/reach/reach.h"
#include "core/wire/wire.h"
#include "sim/burst.h"
#include "sim/mesh.h"

#define MESH_MTU 1500
#define MESH_AEAD_TAG 16
#define MESH_PACKET_LEN 100
/* A packet of one hop: clear header, short hop header, tag; and one that is relayed. */
#define MESH_OVERHEAD (WIRE_HEADER_LEN + HOP_SHORT_LEN + MESH_AEAD_TAG)
#define MESH_DATA_LEN (WIRE_HEADER_LEN + HOP_LEN + 2 * MESH_AEAD_TAG + MESH_PACKET_LEN)

enum mesh_kind {
	MESH_PROBE,
	MESH_STREAM,
	MESH_DATA,
	MESH_DEAD_END, /* packets to there turn back here */
	MESH_ASK,      /* for a session */
	MESH_ANSWER,   /* and here it is */
};

struct mesh_datagram {
	uint64_t session;
	uint32_t boot; /* of the sender, in MESH_ASK and MESH_ANSWER */
	uint16_t sequence;
	uint16_t len; /* of bytes */
	uint8_t kind, lane;
	uint8_t bytes[] __attribute__((aligned(8))); /* a struct mesh_flight may lie there */
};

/* In the bytes of MESH_DATA. */
struct mesh_flight {
	uint32_t packet; /* its number */
	uint32_t generation;
	uint32_t to;
	uint32_t probe;	 /* of core/watch, or the answer to one; 0: a packet */
	uint32_t prober; /* who sent it, or gets the answer */
	bool is_for_packets;
	struct wire_hop hop; /* with options: with a record of where it was */
	bool was_sent_back;  /* by the last node */
	bool was_repaired;   /* an alternate took it on, somewhere */
	uint16_t n_visited;
	uint16_t visited[HOP_TTL_MAX + 1];
};

enum mesh_event_type {
	MESH_ARRIVES,	/* what: end */
	MESH_END_TIMER, /* what: end */
	MESH_HOST_TIMER,
};

struct mesh_event {
	uint64_t at_us;
	uint64_t order; /* ties go by the order of making */
	uint32_t what;
	enum mesh_event_type type;
	struct mesh_datagram *datagram; /* owned */
};

/* One end of a link, of the node that sends there. End 2 i is a's of link i, 2 i + 1 is b's. */
struct mesh_end {
	struct link *link;     /* NULL until the first session */
	struct stream *stream; /* of the session */
	uint64_t session;      /* 0: none */
	uint64_t asked;	       /* the session asked for, 0: none */
	uint64_t ask_us;       /* when to ask (again) */
	uint64_t asked_us;
	uint64_t backoff_us;
	uint64_t heard_us;
	uint64_t armed_us;
	uint32_t peer_boot;
	bool is_routed;
	struct burst burst;	   /* of losses of what this end sends */
	uint64_t sending_until_us; /* its transmitter */
};

struct mesh_link {
	struct topology_link is;
	bool is_cut;
	struct mesh_end ends[2];
};

struct mesh_neighbour {
	uint32_t node;
	uint32_t end; /* ours */
};

struct mesh_told;

struct mesh_liar {
	unsigned how;
	struct mesh_told *told; /* by neighbour */
};

/* Of which neighbours it is known that packets turn back there, and to whom it was said. */
struct mesh_hints {
	struct hints heard, told;
	struct hints_rate told_rate;
};

struct mesh_host {
	struct routes *routes; /* NULL while off */
	struct reach *reach;   /* likewise */
	struct watch *watch;
	struct origins *origins; /* NULL: nothing is proved */
	uint32_t boot;
	uint64_t armed_us;
	struct mesh_neighbour *neighbours; /* by node */
	size_t n_neighbours;
	struct mesh_hints *hints; /* NULL: none yet */
	struct mesh_liar *liar;	  /* NULL: honest */
};

struct mesh_packet {
	uint32_t from, to;
	uint64_t sent_us, delivered_us;
	uint32_t n_copies; /* under way */
	bool is_traced;
};

struct mesh {
	struct mesh_config config;
	struct rng rng;
	uint64_t now_us;
	uint64_t next_order;
	uint64_t next_session;
	struct origin_store *certificates; /* each once, for all nodes that have it */
	struct mesh_event *heap;
	size_t n_heap, heap_size;
	struct mesh_host *hosts;
	size_t n_hosts;
	struct mesh_link *links;
	size_t n_links, links_size;
	struct mesh_packet *packets;
	size_t n_packets, packets_size;
	uint32_t generation;	  /* of packets */
	struct mesh_found *found; /* not yet asked for */
	size_t n_found, found_size, next_found;
	struct mesh_step *steps;
	size_t n_steps, steps_size;
	char failure[200];
	bool is_out_of_memory;
	uint64_t trace;
	struct mesh_totals totals;
};

static inline uint64_t mesh_id(size_t node)
{
	return node + 1;
}

static inline size_t mesh_node(uint64_t id)
{
	return id - 1;
}

static inline struct mesh_end *mesh_end(struct mesh *m, uint32_t end)
{
	return &m->links[end / 2].ends[end % 2];
}

/* Whose it is. */
static inline uint32_t mesh_owner(const struct mesh *m, uint32_t end)
{
	return end % 2 ? m->links[end / 2].is.b : m->links[end / 2].is.a;
}

/* The neighbour it leads to. */
static inline uint32_t mesh_other(const struct mesh *m, uint32_t end)
{
	return mesh_owner(m, end ^ 1);
}

#define MESH_NO_END UINT32_MAX

/* ---- mesh_queue.c ---- */
void mesh_push(struct mesh *m, struct mesh_event e);
struct mesh_event mesh_pop(struct mesh *m);

/* ---- mesh.c ---- */
void mesh_note(struct mesh *m, uint64_t a, uint64_t b);
void mesh_fail(struct mesh *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint32_t mesh_end_to(const struct mesh *m, size_t node, size_t neighbour);
bool mesh_is_passing(const struct mesh *m, uint32_t end);

/* ---- mesh_wire.c: what links do to datagrams ---- */
struct mesh_datagram *mesh_datagram(enum mesh_kind kind, size_t len);
/* Takes it. size: as long as it would be on the wire. */
void mesh_transmit(struct mesh *m, uint32_t end, struct mesh_datagram *d, size_t size);

/* ---- mesh_host.c: what a node does between its cores ---- */
void mesh_arrives(struct mesh *m, uint32_t end, struct mesh_datagram *d);
void mesh_end_timer(struct mesh *m, uint32_t end);
void mesh_host_timer(struct mesh *m, size_t node);
void mesh_end_changed(struct mesh *m, uint32_t end);
void mesh_end_begin(struct mesh *m, uint32_t end); /* asks for a session now */
void mesh_end_forget(struct mesh *m, uint32_t end);
void mesh_pump(struct mesh *m, size_t node);
void mesh_arm(struct mesh *m, uint32_t end);
enum link_state mesh_end_state(const struct mesh_end *e);

void mesh_send_plain(struct mesh *m, uint32_t end, enum mesh_kind kind, unsigned lane,
		     const uint8_t *bytes, size_t len);

/* ---- mesh_origin.c: who proves what ---- */
int mesh_origin_new(struct mesh *m, size_t node);
void mesh_origin_certify(struct mesh *m, size_t node);
void mesh_origin_act(struct mesh *m, size_t node);
int mesh_origin_input(struct mesh *m, size_t node, uint64_t neighbour, uint8_t type,
		      struct span body);
/* Certificates for a neighbour, while nothing else is under way to it. */
void mesh_origin_serve(struct mesh *m, uint32_t end);

/* ---- mesh_packet.c: the packet path ---- */
void mesh_dead_end_arrives(struct mesh *m, uint32_t end, const struct mesh_datagram *d);
void mesh_watch(struct mesh *m, size_t node); /* probes that are due, doubts */
void mesh_packet_arrives(struct mesh *m, uint32_t end, struct mesh_datagram *d);
void mesh_copy_is_lost(struct mesh *m, const struct mesh_datagram *d, size_t node, const char *why,
		       size_t next);

/* ---- mesh_check.c ---- */
void mesh_check_change(struct mesh *m, size_t node, uint64_t destination);

/* ---- mesh_liar.c ---- */
void mesh_lie(struct mesh *m, size_t node, uint32_t end, struct route_action *a);
void mesh_liar_free(struct mesh *m, size_t node);
