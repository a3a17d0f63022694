/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Refused by our list: a program that would attach to a function of the kernel. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("kprobe/do_exit")
int bad_section(void *context)
{
	return context != 0;
}

char LICENSE[] SEC("license") = "GPL";
