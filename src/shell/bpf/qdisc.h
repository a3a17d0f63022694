/* SPDX-License-Identifier: Apache-2.0 */
/* qdisc.h - our filters at a qdisc clsact, where the kernel has no links for tc: whose they are,
 * and taking them away. Inside the room only.
 *
 * A filter outlives who made it. So it has a priority by its program, which is the order in which
 * they run, and a handle by program and number of the keeper (struct ebpf_options): no keeper takes
 * another's for its own. */
#pragma once

#include "shell/bpf/bpf.h"

struct qdisc_filters {
	unsigned own[EBPF_DIRECTIONS]; /* bits by enum ebpf_program */
	unsigned n_kin;		       /* of other keepers of x0 */
	unsigned n_others;
};

uint16_t qdisc_priority(enum ebpf_program p);
uint32_t qdisc_handle(enum ebpf_program p, uint32_t number);

/* What is at an interface's clsact; nothing where it has none. */
int qdisc_look(unsigned interface, uint32_t number, struct qdisc_filters *ret);
/* Takes one filter away; with it the qdisc if is_qdisc_ours and nobody's filter is left in it. */
void qdisc_remove(unsigned interface, enum ebpf_direction d, enum ebpf_program p, uint32_t number,
		  bool is_qdisc_ours);
