/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Refused by our bound: a map of 128 MiB. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 128 << 17);
	__type(key, __u32);
	__type(value, __u64);
} large SEC(".maps");

SEC("tc")
int bad_map(struct __sk_buff *skb)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&large, &zero) ? 0 : (int)skb->len;
}

char LICENSE[] SEC("license") = "GPL";
