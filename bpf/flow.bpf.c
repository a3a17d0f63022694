/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The flow watcher: TCP connections of this machine through the mesh, as the kernel's TCP tells
 * (sock_ops): round trips, retransmissions, states. It watches those whose local address is this
 * node's overlay address, reads no payload and changes nothing. */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "datagram.h"

#define AF_INET6 10
#define TCP_CLOSE 7 /* as include/net/tcp_states.h */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, EBPF_FLOWS_MAX);
	__type(key, struct ebpf_flow_key);
	__type(value, struct ebpf_flow);
} x0_flows SEC(".maps");

/* Two fields of the context as they lie in memory; it is read by words of 32 bits alone. */
always __u64 pair(const volatile __u32 *at)
{
	__u32 first = at[0];
	__u32 second = at[1];

	return (__u64)second << 32 | first;
}

always int is_ours(const struct ebpf_table *t, struct bpf_sock_ops *s)
{
	__u64 a, b;

	if (s->family != AF_INET6)
		return 0;
	a = pair(&s->local_ip6[0]);
	b = pair(&s->local_ip6[2]);
	/* it is called for every namespace, and elsewhere another node may have this address */
	return t->own[0] != 0 && a == t->own[0] && b == t->own[1] &&
	       bpf_get_netns_cookie(s) == t->namespace;
}

always void key_of(struct bpf_sock_ops *s, struct ebpf_flow_key *ret)
{
	ret->remote[0] = pair(&s->remote_ip6[0]);
	ret->remote[1] = pair(&s->remote_ip6[2]);
	ret->local_port = s->local_port;
	ret->remote_port = bpf_ntohl(s->remote_port);
	ret->unused = 0;
}

always void opened(struct ebpf_table *t, struct bpf_sock_ops *s, __u32 is_active)
{
	struct ebpf_flow fresh = { .is_active = is_active, .state = s->state };
	struct ebpf_flow_key key;

	fresh.opened_ns = bpf_ktime_get_ns();
	fresh.srtt_us = s->srtt_us >> 3; /* it is kept in eighths */
	fresh.min_rtt_us = fresh.max_rtt_us = fresh.srtt_us;
	key_of(s, &key);
	(void)bpf_map_update_elem(&x0_flows, &key, &fresh, BPF_ANY);
	ADD(slot(t)->flow[FLOW_OPENED], 1);
	(void)bpf_sock_ops_cb_flags_set(s, BPF_SOCK_OPS_RTT_CB_FLAG | BPF_SOCK_OPS_RETRANS_CB_FLAG |
						   BPF_SOCK_OPS_STATE_CB_FLAG);
}

always void measured(struct ebpf_flow *f, struct bpf_sock_ops *s)
{
	__u32 rtt_us = s->srtt_us >> 3;

	f->srtt_us = rtt_us;
	if (f->min_rtt_us == 0 || rtt_us < f->min_rtt_us)
		f->min_rtt_us = rtt_us;
	if (rtt_us > f->max_rtt_us)
		f->max_rtt_us = rtt_us;
	f->samples++;
	f->bytes_acked = s->bytes_acked;
	f->bytes_received = s->bytes_received;
}

SEC("sockops")
int x0_flow(struct bpf_sock_ops *s)
{
	struct ebpf_table *t = table();
	struct ebpf_flow_key key;
	struct ebpf_flow *f;

	if (!t || !is_ours(t, s))
		return 1;
	if (s->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB ||
	    s->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB) {
		opened(t, s, s->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB);
		return 1;
	}
	if (s->op != BPF_SOCK_OPS_RTT_CB && s->op != BPF_SOCK_OPS_RETRANS_CB &&
	    s->op != BPF_SOCK_OPS_STATE_CB)
		return 1;
	key_of(s, &key);
	f = bpf_map_lookup_elem(&x0_flows, &key);
	if (!f)
		return 1;
	if (s->op == BPF_SOCK_OPS_RTT_CB) {
		measured(f, s);
		ADD(slot(t)->flow[FLOW_RTT_SAMPLES], 1);
	} else if (s->op == BPF_SOCK_OPS_RETRANS_CB) {
		f->retransmits++;
		ADD(slot(t)->flow[FLOW_RETRANSMITTED], 1);
	} else {
		f->state = s->args[1];
		f->bytes_acked = s->bytes_acked;
		f->bytes_received = s->bytes_received;
		if (s->args[1] == TCP_CLOSE) {
			f->closed_ns = bpf_ktime_get_ns();
			ADD(slot(t)->flow[FLOW_CLOSED], 1);
		}
	}
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
