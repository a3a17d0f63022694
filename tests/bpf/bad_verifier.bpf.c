/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Refused by the kernel's verifier: reads behind the end of a map's value. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} small SEC(".maps");

SEC("tc")
int bad_verifier(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *value = bpf_map_lookup_elem(&small, &zero);

	return value ? (int)value[skb->len] : -1;
}

char LICENSE[] SEC("license") = "GPL";
