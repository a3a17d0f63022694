/* SPDX-License-Identifier: Apache-2.0 */
/* ebpf.h - what the files behind `x0 ebpf` share. */
#pragma once

#include "cli/cli.h"
#include "shell/bpf/bpf.h"

#define EBPF_IDS_MAX 16

/* Ids of the kernel's programs behind one of ours (its name), or of a function of it ("x0_..."),
 * or one id, by the daemon's answer. *ret_program: which of ours. How many; 0: no such program, or
 * it is off, and *ret_why says so. */
unsigned ebpf_ids(const json_t *programs, const char *name, uint32_t ret[EBPF_IDS_MAX],
		  enum ebpf_program *ret_program, const char **ret_why);

/* explain: text, JSON or a graph of these. 0 or an exit status. */
int ebpf_explain(struct cli *c, enum ebpf_program program, const uint32_t *ids, unsigned n);

/* A loaded program of the kernel as JSON, without instructions. */
json_t *ebpf_image_json(const struct ebpf_image *i);
