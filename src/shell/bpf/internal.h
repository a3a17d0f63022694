/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of this room share. Inside the room only. */
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "shell/bpf/bpf.h"
#include "shell/bpf/qdisc.h"

/* ---- load.c ---- */

/* Opens, checks the maps, loads. table_fd is used for the map x0_table (-1: the object makes its
 * own). without: a program's function that is left out, or NULL. *ret_log as ebpf_check(). */
int load_object(const uint8_t *bytes, size_t len, int table_fd, const char *without,
		struct bpf_object **ret, char why[EBPF_WHY_SIZE], char **ret_log);
int load_table(char why[EBPF_WHY_SIZE]); /* a new table; its descriptor */

/* ---- links.c: interfaces ---- */

#define LINKS_MAX 256

struct link_row {
	unsigned index;
	char name[EBPF_NAME_SIZE];
	bool is_ethernet;
	bool is_loopback;
	bool has_master; /* a port of a bridge or bond: its packets are seen there */
	bool is_up;
	char kind[EBPF_NAME_SIZE]; /* "veth", "bridge"; "" for hardware */
};

/* At most LINKS_MAX, the one of this name (NULL: none) first and never left out; how many, or an
 * errno. */
int links_list(const char *first, struct link_row ret[LINKS_MAX]);
/* Whether this interface is documented to take native XDP and to keep its segmentation offload. */
bool link_is_native(const struct link_row *l);
/* Addresses of this machine, as in struct ebpf_table; how many. */
unsigned links_addresses(uint64_t ret[EBPF_LOCALS_MAX][2]);

/* ---- attach.c ---- */

/* Of a clsact; the same in all that is attached to one interface. */
enum qdisc_owner {
	QDISC_UNKNOWN,
	QDISC_OURS, /* it goes with the last filter */
	QDISC_OTHERS,
};

struct attached {
	enum ebpf_program program;
	enum ebpf_mode mode; /* NONE: free */
	enum ebpf_direction direction;
	unsigned interface;
	int link_fd; /* -1 for clsact */
	enum qdisc_owner qdisc;
	uint32_t number; /* as in struct ebpf_options */
	uint32_t id;
	char name[EBPF_NAME_SIZE];
};

/* Each attaches one program by the given mode and fills in ret, but for program, number and what is
 * known of the qdisc. */
int attach_tc(int program_fd, unsigned interface, enum ebpf_direction direction, bool is_clsact,
	      struct attached *ret);
int attach_xdp(int program_fd, unsigned interface, bool is_native, struct attached *ret);
int attach_cgroup(int program_fd, struct attached *ret, char why[EBPF_WHY_SIZE]);
void detach(struct attached *a);
