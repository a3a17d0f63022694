/* SPDX-License-Identifier: Apache-2.0 */
/* ebpf_counters.h - counters of the programs in the kernel as JSON: for the verb ebpf and the API,
 * and what the metrics are made from. */
#pragma once

#include <jansson.h>

#include "shell/bpf/bpf.h"

/* Of one program; all processors are summed up already. n_classes: ebpf_view_classes(). */
json_t *ebpf_counters_json(enum ebpf_program program, const struct ebpf_slot *s,
			   unsigned n_classes);
