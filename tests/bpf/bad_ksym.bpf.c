/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Refused by our list: a function of the kernel's that is no helper, called like one of our own. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

extern void bpf_rcu_read_lock(void) __ksym;

SEC("tc")
int bad_ksym(struct __sk_buff *skb)
{
	bpf_rcu_read_lock();
	return (int)skb->len;
}

char LICENSE[] SEC("license") = "GPL";
