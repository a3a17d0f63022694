/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Refused by our bound: a map that libbpf would put into the file system, or take from there. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, __u64);
} x0_bad_pin SEC(".maps");

SEC("tc")
int bad_pin(struct __sk_buff *skb)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&x0_bad_pin, &zero) ? 0 : (int)skb->len;
}

char LICENSE[] SEC("license") = "GPL";
