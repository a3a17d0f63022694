/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Refused by our bound: a map whose size in bytes is 2^64, and 0 where it is not noticed. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 0x80000000);
	__uint(key_size, 0xffffffc8); /* with the 64 that an entry takes besides: 2^33 */
	__uint(value_size, 0xfffffff8);
} x0_bad_size SEC(".maps");

SEC("tc")
int bad_size(struct __sk_buff *skb)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&x0_bad_size, &zero) ? 0 : (int)skb->len;
}

char LICENSE[] SEC("license") = "GPL";
