/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Refused by our list: a helper that changes the packet. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("tc")
int bad_helper(struct __sk_buff *skb)
{
	char zero = 0;

	return bpf_skb_store_bytes(skb, 0, &zero, 1, 0) < 0;
}

char LICENSE[] SEC("license") = "GPL";
