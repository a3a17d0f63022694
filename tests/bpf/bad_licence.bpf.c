/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Refused by our list: its licence. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("tc")
int bad_licence(struct __sk_buff *skb)
{
	return (int)skb->len;
}

char LICENSE[] SEC("license") = "Proprietary";
