/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled programs, as bpftool put them into headers. */
#include "shell/bpf/bpf.h"

#include <enforce.skel.h>
#include <flow.skel.h>
#include <guard.skel.h>
#include <meter.skel.h>

bool ebpf_is_built(char why[EBPF_WHY_SIZE])
{
	why[0] = '\0';
	return true;
}

void ebpf_object_bytes(enum ebpf_program p, const uint8_t **ret, size_t *ret_len)
{
	const void *bytes = NULL;

	*ret_len = 0;
	switch (p) {
	case EBPF_GUARD:
		bytes = guard_bpf__elf_bytes(ret_len);
		break;
	case EBPF_METER:
		bytes = meter_bpf__elf_bytes(ret_len);
		break;
	case EBPF_FLOW:
		bytes = flow_bpf__elf_bytes(ret_len);
		break;
	case EBPF_ENFORCE:
		bytes = enforce_bpf__elf_bytes(ret_len);
		break;
	case EBPF_N_PROGRAMS:
		break;
	}
	*ret = bytes;
}
