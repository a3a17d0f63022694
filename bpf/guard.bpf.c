/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard: of the datagrams to where we listen, drops those that the daemon would throw away
 * after having been woken by them. What it cannot read, and what is addressed to another machine,
 * it lets pass. Limits and order: docs/ebpf.md. */
#include "datagram.h"

#define MAC_LEN 16
#define HANDSHAKE_MIN (16 + 1 + 2 * MAC_LEN)
#define TRANSPORT_MIN (16 + 16)
#define COOKIE_LEN 56
#define PAYLOAD_MAX 1500
#define WORDS_MAX ((PAYLOAD_MAX - 2 * MAC_LEN) / 8)
#define MAC_AT 256 /* word of the scratch */

enum {
	M1 = 1,
	ACK = 4,
	COOKIE = 5,
	TRANSPORT = 16,
	PROBE = 18
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, EBPF_NETWORKS_MAX);
	__type(key, __u64);
	__type(value, struct ebpf_source);
} x0_networks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, EBPF_PREFIXES_MAX);
	__type(key, __u64);
	__type(value, struct ebpf_source);
} x0_prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, EBPF_BLOCKED_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct ebpf_trie_key);
	__type(value, __u32);
} x0_blocked SEC(".maps");

/* One payload and its mac, for mac1. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64[MAC_AT + 2]);
} x0_scratch SEC(".maps");

/* A frame in either of its two forms. */
struct frame {
	struct xdp_md *xdp; /* NULL: skb */
	struct __sk_buff *skb;
	__u32 segment_len; /* of payload; 0: one datagram alone */
	__u32 n_segments;
};

always long load(const struct frame *f, __u32 at, void *to, __u32 len)
{
	return f->xdp ? bpf_xdp_load_bytes(f->xdp, at, to, len)
		      : bpf_skb_load_bytes(f->skb, at, to, len);
}

/* ---- sources ---- */

always __u64 network_of(const struct datagram *d)
{
	if (d->source[0] == 0 && (__u32)d->source[1] == bpf_htonl(0xffff))
		return bpf_ntohl(d->source[1] >> 32);
	return bpf_be64_to_cpu(d->source[0]);
}

always __u64 prefix_of(const struct datagram *d)
{
	return network_of(d) & ~(__u64)0xff;
}

always struct ebpf_source *source_of(void *map, __u64 key, int is_made)
{
	struct ebpf_source *s = bpf_map_lookup_elem(map, &key);
	struct ebpf_source fresh = {};

	if (s || !is_made)
		return s;
	(void)bpf_map_update_elem(map, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(map, &key);
}

/* Whether n more are beyond the limit; if not they are taken. Two processors at once may let a
 * few more through. */
always int is_over(struct ebpf_source *s, const struct ebpf_limit *limit, __u32 n, __u64 now_ns)
{
	__u64 due_ns = s->due_ns > now_ns ? s->due_ns : now_ns;

	if (due_ns - now_ns > limit->burst_ns)
		return 1;
	s->due_ns = due_ns + n * limit->interval_ns;
	return 0;
}

always int is_blocked(const struct ebpf_table *t, const struct datagram *d)
{
	struct ebpf_trie_key key = { .prefix_len = 128 };

	if (t->n_blocked == 0)
		return 0;
	__builtin_memcpy(key.address, d->source, 16);
	return bpf_map_lookup_elem(&x0_blocked, &key) != 0;
}

/* Of its own, as above. */
__attribute__((noinline)) int x0_is_local(__u64 first, __u64 second)
{
	struct ebpf_table *t = table();

	if (!t)
		return 0;
	for (__u32 i = 0; i < EBPF_LOCALS_MAX; i++) {
		if (i >= t->n_locals)
			break;
		if (t->locals[i][0] == first && t->locals[i][1] == second)
			return 1;
	}
	return 0;
}

/* ---- mac1: SipHash-2-4 with 128 bits over all but the last 32 bytes (docs/handshake.md) ---- */

/* Whether the payload in the scratch is of this key; its mac lies behind it. A function of its own,
 * so that the verifier looks at it once. */
__attribute__((noinline)) int x0_mac1_matches(__u32 len, __u32 key)
{
	__u32 zero = 0;
	__u64 *words = bpf_map_lookup_elem(&x0_scratch, &zero);
	struct ebpf_table *t = table();
	__u32 n = len / 8;
	__u64 v[4], last, first;

	if (!words || !t || key >= EBPF_KEYS_MAX || n > WORDS_MAX)
		return 0;
	sip_start(v, t->keys[key]);
	v[1] ^= 0xee;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < WORDS_MAX; i++) {
		if (i >= n)
			break;
		sip_word(v, words[i]);
	}
	last = len % 8 ? words[n & 255] & ((1ULL << (len % 8 * 8)) - 1) : 0;
	sip_word(v, last | (__u64)len << 56);
	v[2] ^= 0xee;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	first = v[0] ^ v[1] ^ v[2] ^ v[3];
	v[1] ^= 0xdd;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return first == words[MAC_AT] && (v[0] ^ v[1] ^ v[2] ^ v[3]) == words[MAC_AT + 1];
}

/* By none of the keys. What cannot be read counts as good. */
always int is_mac1_bad(const struct ebpf_table *t, const struct frame *f, __u32 at, __u32 len)
{
	__u32 zero = 0;
	__u64 *words = bpf_map_lookup_elem(&x0_scratch, &zero);

	if (!words || len < HANDSHAKE_MIN || len > PAYLOAD_MAX)
		return 0;
	len -= 2 * MAC_LEN;
	if (len < 1 || len > PAYLOAD_MAX - 2 * MAC_LEN)
		return 0;
	if (load(f, at, words, len) < 0 || load(f, at + len, words + MAC_AT, MAC_LEN) < 0)
		return 0;
	for (__u32 k = 0; k < EBPF_KEYS_MAX; k++)
		if (k < t->n_keys && x0_mac1_matches(len, k))
			return 0;
	return 1;
}

/* ---- the verdict ---- */

always int judge_handshake(struct ebpf_table *t, struct ebpf_slot *s, const struct frame *f,
			   const struct datagram *d, __u32 len)
{
	__u64 now_ns = bpf_ktime_get_ns();
	struct ebpf_source *source;
	__u8 type = d->head[0];

	if (type == COOKIE ? len != COOKIE_LEN : len < HANDSHAKE_MIN)
		return GUARD_MALFORMED;
	source = source_of(&x0_networks, network_of(d), 1);
	if (source && is_over(source, &t->network, f->n_segments, now_ns))
		return GUARD_OVER_NETWORK;
	source = source_of(&x0_prefixes, prefix_of(d), 1);
	if (source && is_over(source, &t->prefix, f->n_segments, now_ns))
		return GUARD_OVER_PREFIX;
	if (type == COOKIE || t->n_keys == 0)
		return GUARD_PASSED;
	ADD(s->guard[GUARD_MAC1_CHECKED], 1);
	return is_mac1_bad(t, f, d->payload_at, len) ? GUARD_BAD_MAC1 : GUARD_PASSED;
}

/* Of its own, as above. */
__attribute__((noinline)) int x0_index_owner(__u32 index)
{
	struct ebpf_table *t = table();

	return t ? index_owner(t, index) : 1;
}

/* Of a super-packet one good datagram is enough, for it goes up as a whole. */
always int judge_transport(const struct ebpf_table *t, const struct frame *f,
			   const struct datagram *d, __u32 len)
{
	if (len < TRANSPORT_MIN)
		return GUARD_MALFORMED;
	if (!t->is_armed || x0_index_owner(bpf_ntohl(read32(d->head + 4))))
		return GUARD_PASSED;
	if (f->xdp)
		return GUARD_UNKNOWN_INDEX;
	for (__u32 i = 1; i < EBPF_SEGMENTS_MAX; i++) {
		__u32 index;

		if (i >= f->n_segments)
			break;
		if (bpf_skb_load_bytes(f->skb, d->payload_at + i * f->segment_len + 4, &index, 4) <
		    0)
			break;
		if (x0_index_owner(bpf_ntohl(index)))
			return GUARD_PASSED;
	}
	return GUARD_UNKNOWN_INDEX;
}

always int judge(struct ebpf_table *t, struct ebpf_slot *s, const struct frame *f,
		 const struct datagram *d)
{
	__u32 len = f->segment_len ? f->segment_len : d->payload_len;
	__u8 type = d->head[0];

	if (is_blocked(t, d))
		return GUARD_BLOCKED;
	if (type >= M1 && type <= COOKIE)
		return judge_handshake(t, s, f, d, len);
	if (type >= TRANSPORT && type <= PROBE)
		return judge_transport(t, f, d, len);
	return GUARD_MALFORMED;
}

/* Returns whether to drop. */
always int guard(struct ebpf_table *t, const struct frame *f, struct datagram *d)
{
	struct ebpf_slot *s = slot(t);
	struct ebpf_source *source;
	int verdict;

	ADD(s->guard[GUARD_SEEN], f->n_segments);
	verdict = judge(t, s, f, d);
	if (verdict != GUARD_PASSED && !x0_is_local(d->destination[0], d->destination[1])) {
		ADD(s->guard[GUARD_NOT_OURS], f->n_segments);
		return 0;
	}
	if (verdict >= GUARD_SEEN && verdict < GUARD_N)
		ADD(s->guard[verdict], f->n_segments);
	source = source_of(&x0_prefixes, prefix_of(d), verdict == GUARD_PASSED);
	if (source) {
		COUNT(source->packets, f->n_segments);
		COUNT(source->bytes, d->payload_len);
		if (verdict != GUARD_PASSED)
			COUNT(source->dropped, f->n_segments);
	}
	return verdict != GUARD_PASSED;
}

SEC("tc")
int x0_guard_tc(struct __sk_buff *skb)
{
	struct frame f = { .skb = skb, .n_segments = 1 };
	struct ebpf_table *t = table();
	struct datagram d = {};
	__u32 len = skb->len;
	__u32 n = len < HEADERS ? len : HEADERS;

	KEEP(n);
	if (!t || skb->vlan_present || n < 1 || n > HEADERS ||
	    bpf_skb_load_bytes(skb, 0, d.bytes, n) < 0 || !datagram_parse(&d, len) || !is_to_us(&d))
		return -1; /* on to the next program */
	f.segment_len = skb->gso_size;
	if (f.segment_len > 0)
		f.n_segments = (d.payload_len + f.segment_len - 1) / f.segment_len;
	return guard(t, &f, &d) ? 2 /* TC_ACT_SHOT */ : -1;
}

SEC("xdp")
int x0_guard_xdp(struct xdp_md *xdp)
{
	struct frame f = { .xdp = xdp, .n_segments = 1 };
	struct ebpf_table *t = table();
	struct datagram d = {};
	__u32 len = xdp->data_end - xdp->data;
	__u32 n = len < HEADERS ? len : HEADERS;

	KEEP(n);
	if (!t || n < 1 || n > HEADERS || bpf_xdp_load_bytes(xdp, 0, d.bytes, n) < 0 ||
	    !datagram_parse(&d, len) || !is_to_us(&d))
		return XDP_PASS;
	return guard(t, &f, &d) ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
