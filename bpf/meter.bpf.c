/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The meter: packets and bytes of our datagrams in both directions, by hashed MAC address and by
 * peer, and histograms of sizes and of the time between them. It reads the clear header alone,
 * changes nothing and drops nothing. */
#include "datagram.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, EBPF_MACS_MAX);
	__type(key, __u64);
	__type(value, struct ebpf_mac);
} x0_macs SEC(".maps");

/* SipHash-2-4 of the six bytes under a key of this start alone. */
always __u64 hash_of(const struct ebpf_table *t, const __u8 *mac)
{
	__u64 v[4];

	sip_start(v, t->mac_key);
	sip_word(v, (__u64)read32(mac) | (__u64)mac[4] << 32 | (__u64)mac[5] << 40 | 6ULL << 56);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

always void count_mac(const struct ebpf_table *t, const __u8 *mac, __u32 direction, __u32 packets,
		      __u32 bytes)
{
	__u64 key = hash_of(t, mac);
	struct ebpf_mac *m = bpf_map_lookup_elem(&x0_macs, &key);
	struct ebpf_mac fresh = {};

	if (!m) {
		(void)bpf_map_update_elem(&x0_macs, &key, &fresh, BPF_NOEXIST);
		m = bpf_map_lookup_elem(&x0_macs, &key);
	}
	if (!m)
		return;
	COUNT(m->packets[direction], packets);
	COUNT(m->bytes[direction], bytes);
}

always __u32 log2_of(__u64 x)
{
	__u32 n = 0;

	for (int shift = 32; shift > 0; shift /= 2)
		if (x >> shift) {
			x >>= shift;
			n += shift;
		}
	return n;
}

always void count_gap(struct ebpf_slot *s, __u32 direction)
{
	__u64 now_ns = bpf_ktime_get_ns();
	__u64 last_ns = s->last_ns[direction];
	__u32 bucket;

	s->last_ns[direction] = now_ns;
	if (last_ns == 0 || now_ns < last_ns)
		return;
	bucket = log2_of(now_ns - last_ns);
	KEEP(bucket);
	if (bucket >= EBPF_GAPS)
		bucket = EBPF_GAPS - 1;
	ADD(s->gaps[direction][bucket], 1);
}

always void count_size(struct ebpf_slot *s, __u32 direction, __u32 size, __u32 n)
{
	__u32 bucket = size / EBPF_SIZE_STEP;

	KEEP(bucket);
	if (bucket >= EBPF_SIZES)
		bucket = EBPF_SIZES - 1;
	ADD(s->sizes[direction][bucket], n);
}

always void count_peer(struct ebpf_table *t, const struct datagram *d, __u32 packets)
{
	__u32 owner = index_owner(t, bpf_ntohl(read32(d->head + 4)));

	if (owner < 2 || owner - 2 >= EBPF_PEERS_MAX)
		return;
	COUNT(t->peers[owner - 2].packets, packets);
	COUNT(t->peers[owner - 2].bytes, d->payload_len);
}

always int meter(struct __sk_buff *skb, __u32 direction)
{
	struct ebpf_table *t = table();
	struct datagram d = {};
	__u32 len = skb->len;
	__u32 n = len < HEADERS ? len : HEADERS;
	__u32 segment_len = skb->gso_size;
	__u32 packets = 1;
	struct ebpf_slot *s;
	__u8 type;

	KEEP(n);
	if (!t || skb->vlan_present || n < 1 || n > HEADERS ||
	    bpf_skb_load_bytes(skb, 0, d.bytes, n) < 0 || !datagram_parse(&d, len) ||
	    !(direction == EBPF_IN ? is_to_us(&d) : is_from_us(&d)))
		return -1;
	s = slot(t);
	if (segment_len > 0 && d.payload_len > segment_len) {
		packets = (d.payload_len + segment_len - 1) / segment_len;
		count_size(s, direction, segment_len, packets - 1);
		count_size(s, direction, d.payload_len - (packets - 1) * segment_len, 1);
	} else {
		count_size(s, direction, d.payload_len, 1);
	}
	ADD(s->meter[direction][METER_PACKETS], packets);
	ADD(s->meter[direction][METER_BYTES], d.payload_len);
	type = d.head[0];
	if (type >= 1 && type <= 5)
		ADD(s->meter[direction][METER_HANDSHAKES], packets);
	else if (type == 18)
		ADD(s->meter[direction][METER_PROBES], packets);
	if (type >= 16 && direction == EBPF_IN)
		count_peer(t, &d, packets);
	count_gap(s, direction);
	count_mac(t, d.bytes + (direction == EBPF_IN ? 6 : 0), direction, packets, d.payload_len);
	return -1;
}

SEC("tc")
int x0_meter_in(struct __sk_buff *skb)
{
	return meter(skb, EBPF_IN);
}

SEC("tc")
int x0_meter_out(struct __sk_buff *skb)
{
	return meter(skb, EBPF_OUT);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
