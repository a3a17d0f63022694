/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* datagram.h - finding x0's datagrams in a frame: Ethernet, IPv4 without options or IPv6 without
 * extension headers, no fragments, UDP. Everything else is nobody's business here; what has a VLAN
 * tag is looked at on the device of that VLAN. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "shell/bpf/layout.h"

#define PEEK 16 /* bytes of payload: the clear header (docs/packet.md) */
#define HEADERS (14 + 40 + 8 + PEEK)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct ebpf_table);
} x0_table SEC(".maps");

#define always static __always_inline

always struct ebpf_table *table(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&x0_table, &zero);
}

always struct ebpf_slot *slot(struct ebpf_table *t)
{
	return &t->slots[bpf_get_smp_processor_id() & (EBPF_CPUS - 1)];
}

/* Keeps the compiler from forgetting that a value was compared. */
#define KEEP(x) __asm__ volatile("" : "+r"(x))

/* To a counter of this processor's own slot: nothing interrupts a program here but what has slots
 * of its own. Beyond EBPF_CPUS processors two share one, and may lose a count now and then. */
#define ADD(place, n) ((place) += (n))

/* To a counter that all processors share. */
#define COUNT(place, n) ((void)__sync_fetch_and_add(&(place), (n)))

struct datagram {
	__u8 bytes[HEADERS + 2]; /* of the frame, zeros behind its end */
	__u64 source[2];
	__u64 destination[2];
	__u32 payload_at;
	__u32 payload_len; /* of all segments */
	__u16 source_port;
	__u16 destination_port;
	__u8 head[PEEK]; /* of the payload */
};

always __u64 read64(const __u8 *at)
{
	__u64 v;

	__builtin_memcpy(&v, at, 8);
	return v;
}

always __u32 read32(const __u8 *at)
{
	__u32 v;

	__builtin_memcpy(&v, at, 4);
	return v;
}

always __u16 be16(const __u8 *at)
{
	return (__u16)(at[0] << 8 | at[1]);
}

always void take_ports(struct datagram *d, const __u8 *udp)
{
	d->source_port = be16(udp);
	d->destination_port = be16(udp + 2);
	__builtin_memcpy(d->head, udp + 8, PEEK);
}

/* d->bytes are filled in, len is the frame's. Returns whether it is UDP that can be read. */
always int datagram_parse(struct datagram *d, __u32 len)
{
	const __u8 *ip = d->bytes + 14;
	__u16 type = be16(d->bytes + 12);

	if (type == ETH_P_IPV6) {
		if (ip[6] != IPPROTO_UDP || ip[0] >> 4 != 6)
			return 0;
		d->source[0] = read64(ip + 8);
		d->source[1] = read64(ip + 16);
		d->destination[0] = read64(ip + 24);
		d->destination[1] = read64(ip + 32);
		d->payload_at = 14 + 40 + 8;
		take_ports(d, ip + 40);
	} else if (type == ETH_P_IP) {
		if (ip[9] != IPPROTO_UDP || ip[0] != 0x45 || be16(ip + 6) & 0x3fff)
			return 0;
		d->source[0] = d->destination[0] = 0;
		d->source[1] = (__u64)read32(ip + 12) << 32 | bpf_htonl(0xffff);
		d->destination[1] = (__u64)read32(ip + 16) << 32 | bpf_htonl(0xffff);
		d->payload_at = 14 + 20 + 8;
		take_ports(d, ip + 20);
	} else {
		return 0;
	}
	if (len < d->payload_at)
		return 0;
	d->payload_len = len - d->payload_at;
	return 1;
}

/* Whether we listen there; another program may have the same port of another address. Not inline,
 * so that callers stay small enough for the compiler to see through them. */
static __attribute__((noinline)) int is_listened_at(__u64 first, __u64 second, __u32 port)
{
	const struct ebpf_table *t = table();

	if (!t)
		return 0;
	for (__u32 i = 0; i < EBPF_LISTEN_MAX; i++) {
		const struct ebpf_listen *l = &t->listen[i];

		if (i >= t->n_listen)
			break;
		if (l->port == port && ((first ^ l->address[0]) & l->mask[0]) == 0 &&
		    ((second ^ l->address[1]) & l->mask[1]) == 0)
			return 1;
	}
	return 0;
}

/* Which a datagram to us is addressed to, and one of ours comes from. */
always int is_to_us(const struct datagram *d)
{
	return is_listened_at(d->destination[0], d->destination[1], d->destination_port);
}

always int is_from_us(const struct datagram *d)
{
	return is_listened_at(d->source[0], d->source[1], d->source_port);
}

/* Whose a receiver index is: 0 nobody's, 1 one that is not counted, else 2 and the peer. */
always __u32 index_owner(const struct ebpf_table *t, __u32 index)
{
	const struct ebpf_bucket *b = &t->buckets[index & (EBPF_INDEX_BUCKETS - 1)];

	if (index == 0)
		return 0;
	for (__u32 i = 0; i < EBPF_INDEX_WAYS; i++)
		if (b->index[i] == index)
			return 2 + b->peer[i];
	return b->is_full ? 1 : 0;
}

always __u64 rotate(__u64 x, int n)
{
	return x << n | x >> (64 - n);
}

always void sip_round(__u64 v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

always void sip_start(__u64 v[4], const __u64 key[2])
{
	v[0] = key[0] ^ 0x736f6d6570736575ULL;
	v[1] = key[1] ^ 0x646f72616e646f6dULL;
	v[2] = key[0] ^ 0x6c7967656e657261ULL;
	v[3] = key[1] ^ 0x7465646279746573ULL;
}

always void sip_word(__u64 v[4], __u64 word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}
