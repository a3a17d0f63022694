/* SPDX-License-Identifier: Apache-2.0 */
/* A build without eBPF: everything is off, and says so. */
#include <errno.h>
#include <stdio.h>

#include "shell/bpf/bpf.h"

bool ebpf_is_built(char why[EBPF_WHY_SIZE])
{
	(void)snprintf(why, EBPF_WHY_SIZE,
		       "this x0 was built without eBPF: clang, bpftool or libbpf was missing");
	return false;
}

void ebpf_object_bytes(enum ebpf_program p, const uint8_t **ret, size_t *ret_len)
{
	(void)p;
	*ret = NULL;
	*ret_len = 0;
}

int ebpf_host_new(const struct ebpf_options *options, struct ebpf_host **ret,
		  char why[EBPF_WHY_SIZE])
{
	(void)options;
	(void)ret;
	(void)ebpf_is_built(why);
	return -ENOSYS;
}

void ebpf_host_free(struct ebpf_host *h)
{
	(void)h;
}

void ebpf_host_forget(struct ebpf_host *h)
{
	(void)h;
}

void ebpf_host_disarm(struct ebpf_host *h)
{
	(void)h;
}

void ebpf_host_refresh(struct ebpf_host *h)
{
	(void)h;
}

const struct ebpf_table *ebpf_host_table(const struct ebpf_host *h)
{
	(void)h;
	return NULL;
}

int ebpf_host_fd(const struct ebpf_host *h, enum ebpf_descriptor which)
{
	(void)h;
	(void)which;
	return -1;
}

int ebpf_host_try(const struct ebpf_host *h, const char *function, const uint8_t *frame, size_t len,
		  unsigned repeat, int *ret_verdict, unsigned *ret_ns)
{
	(void)h;
	(void)function;
	(void)frame;
	(void)len;
	(void)repeat;
	(void)ret_verdict;
	(void)ret_ns;
	return -ENOSYS;
}

int ebpf_check(const uint8_t *bytes, size_t len, char why[EBPF_WHY_SIZE], char **ret_log)
{
	int r = ebpf_validate(bytes, len, why);

	*ret_log = NULL;
	if (r < 0)
		return r;
	(void)ebpf_is_built(why);
	return -ENOSYS;
}

int ebpf_image_new(uint32_t id, struct ebpf_image **ret, char why[EBPF_WHY_SIZE])
{
	(void)id;
	(void)ret;
	(void)ebpf_is_built(why);
	return -ENOSYS;
}

int ebpf_image_counts(uint32_t id, struct ebpf_image *ret, char why[EBPF_WHY_SIZE])
{
	(void)id;
	(void)ret;
	(void)ebpf_is_built(why);
	return -ENOSYS;
}

void ebpf_image_free(struct ebpf_image *i)
{
	(void)i;
}

int ebpf_stats_open(void)
{
	return -ENOSYS;
}

int ebpf_map_each(uint32_t program_id, const char *map, size_t key_size, size_t value_size,
		  size_t max, ebpf_entry *each, void *arg)
{
	(void)program_id;
	(void)map;
	(void)key_size;
	(void)value_size;
	(void)max;
	(void)each;
	(void)arg;
	return -ENOSYS;
}
