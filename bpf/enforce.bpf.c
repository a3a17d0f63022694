/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The enforcer, on the tunnel device: what others of the mesh may begin with this machine, as the
 * policy says, decided in the kernel. It follows src/core/forward (inner.c, flows.c) word for word,
 * so that both always say the same; a test compares them. */
#include <linux/in6.h>

#include "datagram.h"

#define EXTENSION_HEADERS_MAX 8
#define IPV6_LEN 40
#define ECHO_REQUEST 128
#define ECHO_REPLY 129
#define HOP_BY_HOP 0
#define ROUTING 43
#define FRAGMENT 44
#define DESTINATION 60
#define MALFORMED 0xffffffffU

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct ebpf_rules);
} x0_rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, EBPF_OUTBOUND_MAX);
	__type(key, struct ebpf_outbound_key);
	__type(value, __u64); /* when it was last used */
} x0_outbound SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EBPF_RING_SIZE);
} x0_denied SEC(".maps");

/* Samples of this second; not exact where two processors count at once. */
struct pace {
	__u64 second;
	__u64 n;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pace);
} x0_pace SEC(".maps");

struct inner {
	__u64 source[2];
	__u64 destination[2];
	__u16 source_port;
	__u16 destination_port;
	__u8 protocol;
	__u8 is_beginning; /* SYN without ACK, or an echo request */
	__u8 is_echo_request;
	__u8 is_icmp_error;
	__u8 is_later_fragment;
};

always long load(struct __sk_buff *skb, __u32 at, void *to, __u32 len)
{
	return bpf_skb_load_bytes_relative(skb, at, to, len, BPF_HDR_START_NET);
}

/* Returns where the upper layer's header begins, 0 for a later fragment, which has none, and
 * MALFORMED where the chain of headers is too long or does not end inside. */
always __u32 skip_extensions(struct __sk_buff *skb, __u32 end, __u8 *protocol)
{
	__u32 at = IPV6_LEN;
	__u8 head[4];

	for (int i = 0; i <= EXTENSION_HEADERS_MAX; i++) {
		__u8 p = *protocol;

		if (p != HOP_BY_HOP && p != ROUTING && p != DESTINATION && p != FRAGMENT)
			return at;
		if (load(skb, at, head, 4) < 0)
			return MALFORMED;
		if (p == FRAGMENT) {
			if (be16(head + 2) >> 3 != 0) {
				*protocol = head[0];
				return 0;
			}
			at += 8;
		} else {
			at += 8 + head[1] * 8;
		}
		if (at > end) /* the header does not end inside */
			return MALFORMED;
		*protocol = head[0];
	}
	return MALFORMED;
}

always void read_upper(struct __sk_buff *skb, __u32 at, struct inner *i)
{
	__u8 head[20];

	switch (i->protocol) {
	case IPPROTO_TCP:
		if (load(skb, at, head, 4) < 0)
			return;
		/* a fragment of eight bytes shows no flags: they may be any */
		i->is_beginning = load(skb, at + 13, head + 13, 1) < 0 || (head[13] & 0x12) == 0x02;
		break;
	case IPPROTO_UDP:
		if (load(skb, at, head, 8) < 0)
			return;
		break;
	case IPPROTO_ICMPV6:
		if (load(skb, at, head, 8) < 0)
			return;
		i->is_icmp_error = head[0] < ECHO_REQUEST;
		i->is_echo_request = i->is_beginning = head[0] == ECHO_REQUEST;
		if (head[0] == ECHO_REQUEST || head[0] == ECHO_REPLY)
			i->source_port = i->destination_port = be16(head + 4);
		return;
	default:
		return;
	}
	i->source_port = be16(head);
	i->destination_port = be16(head + 2);
}

enum parsed {
	NOT_IPV6,
	PARSED,
	BAD_CHAIN, /* addresses are there */
};

always enum parsed parse(struct __sk_buff *skb, struct inner *i)
{
	__u8 head[IPV6_LEN];
	__u32 at;

	if (load(skb, 0, head, IPV6_LEN) < 0 || head[0] >> 4 != 6)
		return NOT_IPV6;
	i->protocol = head[6];
	i->source[0] = read64(head + 8);
	i->source[1] = read64(head + 16);
	i->destination[0] = read64(head + 24);
	i->destination[1] = read64(head + 32);
	at = skip_extensions(skb, IPV6_LEN + be16(head + 4), &i->protocol);
	if (at == MALFORMED)
		return BAD_CHAIN;
	if (at > 0)
		read_upper(skb, at, i);
	else
		i->is_later_fragment = 1;
	return PARSED;
}

#define OVERLAY_MASK bpf_cpu_to_be64(0xffffffffffff0000ULL)

always int is_in_mesh(const struct ebpf_table *t, const __u64 address[2])
{
	return (address[0] & OVERLAY_MASK) == t->overlay[0];
}

always int is_own(const struct ebpf_table *t, const __u64 address[2])
{
	return t->own[0] != 0 && address[0] == t->own[0] && address[1] == t->own[1];
}

/* ---- rules ---- */

enum verdict {
	DENY,
	ALLOW,
	LEAVE
};

always enum verdict by_class(const struct ebpf_class *c, const struct inner *i)
{
	__u16 port = i->destination_port;

	switch (i->protocol) {
	case IPPROTO_TCP:
		return c->tcp[port >> 3] >> (port & 7) & 1;
	case IPPROTO_UDP:
		return c->udp[port >> 3] >> (port & 7) & 1;
	case IPPROTO_ICMPV6:
		return (i->is_echo_request ? c->ping : c->icmp) != 0;
	default:
		return c->protocols[i->protocol >> 3] >> (i->protocol & 7) & 1;
	}
}

always enum verdict by_rules(const struct ebpf_rules *r, const struct inner *i)
{
	__u64 id = i->source[1];
	const struct ebpf_sender *s = &r->senders[bpf_be64_to_cpu(id) & (EBPF_SENDER_BUCKETS - 1)];

	for (int k = 0; k < EBPF_SENDER_WAYS; k++) {
		__u32 class = s->class[k];

		if (s->id[k] != id || id == 0)
			continue;
		if (class >= EBPF_CLASSES_MAX)
			return LEAVE;
		return by_class(&r->classes[class & (EBPF_CLASSES_MAX - 1)], i);
	}
	return s->is_full ? LEAVE : DENY;
}

/* ---- what we began ---- */

always void outbound_key(const struct inner *i, int is_outbound, struct ebpf_outbound_key *ret)
{
	ret->remote[0] = is_outbound ? i->destination[0] : i->source[0];
	ret->remote[1] = is_outbound ? i->destination[1] : i->source[1];
	ret->remote_port = is_outbound ? i->destination_port : i->source_port;
	ret->local_port = is_outbound ? i->source_port : i->destination_port;
	ret->protocol = i->protocol;
}

always int is_answer(const struct inner *i)
{
	struct ebpf_outbound_key key;
	__u64 now_ns = bpf_ktime_get_ns();
	__u64 *used_ns;

	outbound_key(i, 0, &key);
	used_ns = bpf_map_lookup_elem(&x0_outbound, &key);
	if (!used_ns || now_ns - *used_ns > EBPF_OUTBOUND_IDLE_NS)
		return 0;
	*used_ns = now_ns;
	return !i->is_beginning;
}

/* ---- samples ---- */

always void sample(struct ebpf_slot *s, const struct inner *i)
{
	__u64 now_ns = bpf_ktime_get_ns();
	struct ebpf_denied *d;
	struct pace *p;
	__u32 zero = 0;

	p = bpf_map_lookup_elem(&x0_pace, &zero);
	if (!p)
		return;
	if (p->second != now_ns >> 30) {
		p->second = now_ns >> 30;
		p->n = 0;
	}
	if (p->n++ >= EBPF_SAMPLES_A_SECOND)
		return;
	d = bpf_ringbuf_reserve(&x0_denied, sizeof(*d), 0);
	if (!d) {
		ADD(s->enforce[ENFORCE_SAMPLE_LOST], 1);
		return;
	}
	d->at_ns = now_ns;
	d->source[0] = i->source[0];
	d->source[1] = i->source[1];
	d->source_port = i->source_port;
	d->destination_port = i->destination_port;
	d->protocol = i->protocol;
	bpf_ringbuf_submit(d, 0);
}

SEC("tc")
int x0_enforce_in(struct __sk_buff *skb)
{
	struct ebpf_table *t = table();
	struct ebpf_rules *r;
	struct ebpf_slot *s;
	struct inner i = {};
	enum parsed parsed;
	enum verdict v;
	__u32 zero = 0;

	r = bpf_map_lookup_elem(&x0_rules, &zero);
	if (!t || !r || !r->is_armed)
		return -1;
	s = slot(t);
	parsed = parse(skb, &i);
	if (parsed == NOT_IPV6 || !is_own(t, i.destination) || !is_in_mesh(t, i.source) ||
	    is_own(t, i.source)) {
		ADD(s->enforce[ENFORCE_NOT_OURS], 1);
		return -1;
	}
	ADD(s->enforce[ENFORCE_SEEN], 1);
	if (parsed == PARSED && is_answer(&i)) {
		ADD(s->enforce[ENFORCE_ANSWERS], 1);
		return -1;
	}
	v = parsed == PARSED ? by_rules(r, &i) : DENY;
	if (v == DENY && i.is_icmp_error)
		v = LEAVE; /* the daemon looks which flow of ours it speaks of */
	if (v == DENY && parsed == PARSED && i.is_later_fragment)
		v = LEAVE; /* and whether it let the first one in; the kernel denies that one here
			    */
	if (v == LEAVE || v == ALLOW) {
		ADD(s->enforce[v == LEAVE ? ENFORCE_LEFT : ENFORCE_ALLOWED], 1);
		return -1;
	}
	ADD(s->enforce[ENFORCE_DENIED], 1);
	sample(s, &i);
	return 2; /* TC_ACT_SHOT */
}

SEC("tc")
int x0_enforce_out(struct __sk_buff *skb)
{
	struct ebpf_table *t = table();
	struct ebpf_outbound_key key;
	struct inner i = {};
	__u64 now_ns;

	if (!t || parse(skb, &i) != PARSED || !is_own(t, i.source))
		return -1;
	now_ns = bpf_ktime_get_ns();
	outbound_key(&i, 1, &key);
	(void)bpf_map_update_elem(&x0_outbound, &key, &now_ns, BPF_ANY);
	return -1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
