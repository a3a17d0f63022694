/* SPDX-License-Identifier: Apache-2.0 */
/* bpf.h - the eBPF programs of bpf/: loading and attaching them, what user space puts into their
 * maps and reads out, and what the kernel says of them.
 *
 * Three users. The keeper has the privileges: struct ebpf_host loads, attaches and detaches. The
 * daemon has none: it maps two tables whose descriptors the keeper passes (struct ebpf_view), and
 * makes no bpf() call. The command line, as root, asks the kernel (ebpf_inspect_*). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/endpoint.h"
#include "shell/bpf/layout.h"
#include "shell/log/log.h"
#include "shell/netlink/netlink.h"

/* Whether this build has them; else why not. */
bool ebpf_is_built(char why[EBPF_WHY_SIZE]);

/* "guard", "meter", "flow", "enforce"; NULL beyond. The reverse: EBPF_N_PROGRAMS for none. */
const char *ebpf_program_name(enum ebpf_program p);
enum ebpf_program ebpf_program_find(const char *name);
const char *ebpf_mode_name(enum ebpf_mode m);
/* What it is for, what it can and what it cannot do, in plain words. */
const char *ebpf_program_summary(enum ebpf_program p);

/* ---- the keeper's side ---- */

enum ebpf_wish {
	EBPF_AUTO, /* on where it can be */
	EBPF_ON,   /* the same, and the daemon does not start without */
	EBPF_OFF,
};

enum ebpf_where {
	EBPF_WHERE_AUTO,   /* native XDP where the driver is known to do it without harm, else tc */
	EBPF_WHERE_XDP,	   /* native, else generic; what only tc can do stays there */
	EBPF_WHERE_TCX,	   /* tc, by a link (Linux 6.6), else as below */
	EBPF_WHERE_CLSACT, /* tc, by a qdisc clsact */
};

#define EBPF_NUMBERS_MAX 1024

struct ebpf_options {
	enum ebpf_wish wishes[EBPF_N_PROGRAMS];
	uint32_t number; /* below EBPF_NUMBERS_MAX: of this keeper alone in its network namespace */
	enum ebpf_where where;
	char tun_name[EBPF_NAME_SIZE];
	uint8_t overlay[16];			 /* prefix of the mesh, 48 bits */
	struct endpoint listen[EBPF_LISTEN_MAX]; /* [::] is IPv4 too */
	unsigned n_listen;
	struct netlink_prefix blocked[EBPF_BLOCKED_MAX]; /* IPv4 as ::ffff:0:0/96 and longer */
	unsigned n_blocked;
	struct log *log; /* the verifier's words go there; may be NULL */
};

struct ebpf_host;

/* Takes away what a keeper of this number left at qdiscs when it was killed (links end with it);
 * how many filters. For a keeper to call at its start, even if it wants no program: what was left
 * drops packets. In every build. */
unsigned ebpf_clean(uint32_t number);

/* Loads and attaches what is wanted. Programs that cannot be are off, and the table says why; an
 * error is only what leaves nothing to say it in: then why does. -ENOSYS: not built, or no kernel
 * for it; -EPERM; -ENOMEM. */
int ebpf_host_new(const struct ebpf_options *options, struct ebpf_host **ret,
		  char why[EBPF_WHY_SIZE]);
/* Detaches everything. */
void ebpf_host_free(struct ebpf_host *h);
/* Closes the descriptors and detaches nothing: for a child that inherited them. */
void ebpf_host_forget(struct ebpf_host *h);
/* The daemon is gone: what its sessions and policy put into the tables counts no more, until the
 * next one puts its own. NULL is no host. */
void ebpf_host_disarm(struct ebpf_host *h);
/* Looks for interfaces that came or went, the tunnel among them, and this machine's addresses. */
void ebpf_host_refresh(struct ebpf_host *h);
const struct ebpf_table *ebpf_host_table(const struct ebpf_host *h);

enum ebpf_descriptor {
	EBPF_FD_TABLE,
	EBPF_FD_RULES, /* only where enforce is on */
	EBPF_FD_RING,
	EBPF_N_DESCRIPTORS,
};

/* Borrowed; -1 where there is none. */
int ebpf_host_fd(const struct ebpf_host *h, enum ebpf_descriptor which);
/* Has the kernel run a function, such as "x0_guard_tc", on a frame, repeat times (for tests and
 * measurements). ret_verdict: what it returned; ret_ns: a run, on average. -ENOENT: not loaded. */
int ebpf_host_try(const struct ebpf_host *h, const char *function, const uint8_t *frame, size_t len,
		  unsigned repeat, int *ret_verdict, unsigned *ret_ns);

/* ---- validation: what is checked before the kernel is asked ---- */

#define EBPF_OBJECT_MAX (1 << 20)
#define EBPF_MAPS_MAX 16
#define EBPF_MAP_BYTES_MAX (64ULL << 20)
#define EBPF_MAPS_BYTES_MAX (200ULL << 20)

/* An object file: ELF of 64 bits for BPF, sections, licence, instructions and helpers by lists.
 * -EBADMSG: no such file; -EPROTO: something that is not allowed. why is a sentence. */
int ebpf_validate(const uint8_t *bytes, size_t len, char why[EBPF_WHY_SIZE]);
/* The same, then its maps, and then the kernel's verifier on each program, without attaching
 * any. *ret_log: all that the verifier said where it refused, to be freed; else NULL. */
int ebpf_check(const uint8_t *bytes, size_t len, char why[EBPF_WHY_SIZE], char **ret_log);
/* The object that this program carries. 0 bytes where it is not built. */
void ebpf_object_bytes(enum ebpf_program p, const uint8_t **ret, size_t *ret_len);

/* ---- the daemon's side ---- */

struct ebpf_view;

/* Maps them; takes the descriptors. rules and ring may be -1. -ENOMEM and mmap()'s. */
int ebpf_view_new(int table_fd, int rules_fd, int ring_fd, struct ebpf_view **ret);
/* Wipes the keys, disarms what needs us, unmaps. */
void ebpf_view_free(struct ebpf_view *v);
const struct ebpf_table *ebpf_view_table(const struct ebpf_view *v);
/* All processors together. */
void ebpf_view_sum(const struct ebpf_view *v, struct ebpf_slot *ret);

void ebpf_view_set_own(struct ebpf_view *v, const uint8_t address[16]);
void ebpf_view_set_keys(struct ebpf_view *v, const uint8_t (*keys)[16], unsigned n);
/* Between begin and end put every receiver index that is valid; the others go. */
void ebpf_view_indices_begin(struct ebpf_view *v);
void ebpf_view_indices_put(struct ebpf_view *v, uint32_t index, uint64_t node_id);
void ebpf_view_indices_end(struct ebpf_view *v);

/* enforce: senders by class. begin forgets the classes as well where is_new. */
bool ebpf_view_has_rules(const struct ebpf_view *v);
void ebpf_view_senders_begin(struct ebpf_view *v, bool is_new);
/* Whether it has a class since the last begin that was new. It is kept if so. */
bool ebpf_view_sender_keep(struct ebpf_view *v, uint64_t node_id);
void ebpf_view_sender_put(struct ebpf_view *v, uint64_t node_id, const struct ebpf_class *may);
void ebpf_view_senders_end(struct ebpf_view *v);
unsigned ebpf_view_classes(const struct ebpf_view *v);

/* The next denied packet of the ring; false when it is empty. */
bool ebpf_view_next_denied(struct ebpf_view *v, struct ebpf_denied *ret);

/* ---- what the kernel says, for root ---- */

struct ebpf_insn {
	uint8_t code;
	uint8_t registers; /* destination low, source high */
	int16_t offset;
	int32_t immediate;
};

#define EBPF_INSN_TEXT 128

struct ebpf_map_info {
	uint32_t id;
	char name[EBPF_NAME_SIZE];
	char type[24];
	uint32_t key_size, value_size, max_entries;
	uint64_t memory_bytes;
};

/* A loaded program as the kernel keeps it. */
struct ebpf_image {
	uint32_t id;
	char name[64];
	char tag[17];
	char type[16];
	uint64_t run_count, run_ns;
	uint32_t jited_bytes, memory_bytes;
	struct ebpf_insn *insns;
	size_t n_insns;
	char **source; /* for each instruction: the line of source that begins there, or NULL */
	struct ebpf_map_info maps[EBPF_MAPS_MAX];
	size_t n_maps;
	const void *names; /* of the kernel's functions */
};

/* By the kernel's id. -ENOENT: it is gone; -EPERM. why is a sentence. */
int ebpf_image_new(uint32_t id, struct ebpf_image **ret, char why[EBPF_WHY_SIZE]);
void ebpf_image_free(struct ebpf_image *i);
/* Run count, nanoseconds and maps alone: cheap. */
int ebpf_image_counts(uint32_t id, struct ebpf_image *ret, char why[EBPF_WHY_SIZE]);
/* One instruction as text, in the kernel's own notation. */
void ebpf_image_text(const struct ebpf_image *i, size_t at, char ret[EBPF_INSN_TEXT]);
/* Two slots make one instruction (a constant of 64 bits): the second has no text. */
bool ebpf_insn_is_wide(const struct ebpf_insn *i);
/* Name of the helper that is called there, NULL where none is. */
const char *ebpf_image_helper(const struct ebpf_image *i, size_t at, char ret[64]);

/* Basic blocks: where each begins, ascending; at most n_insns. Returns how many. */
size_t ebpf_image_blocks(const struct ebpf_image *i, size_t *ret);
/* The graph of control flow for Graphviz. */
void ebpf_image_dot(const struct ebpf_image *i, FILE *to);

/* While open the kernel counts runs and time of every program; close() ends it. -EPERM, -EINVAL
 * before Linux 5.8. */
int ebpf_stats_open(void);

/* Each entry of a map of the program of this id: callback gets key and value. -ENOENT. */
typedef void ebpf_entry(void *arg, const void *key, const void *value);
int ebpf_map_each(uint32_t program_id, const char *map, size_t key_size, size_t value_size,
		  size_t max, ebpf_entry *each, void *arg);
