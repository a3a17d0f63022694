/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: packets from peers, on their way to the TUN device. What is put together is cut
 * again: every packet is there once, as it was, and those of a flow are in order. */
#include <assert.h>
#include <stdlib.h>

#include "shell/tun/checksum.h"
#include "shell/tun/cut.h"
#include "shell/tun/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PACKETS_MAX 128
#define MEND 0x8000 /* bit of a length: make the checksum of this one right first */

struct input {
	uint8_t bytes[65536];
	struct span packets[PACKETS_MAX];
	bool is_seen[PACKETS_MAX];
	size_t n;
};

static bool is_same_flow(struct span a, struct span b)
{
	struct headers x, y;

	if (headers_read(a, &x) < 0 || headers_read(b, &y) < 0 || x.is_ipv6 != y.is_ipv6 ||
	    x.protocol != y.protocol)
		return false;
	return memcmp(a.at + (x.is_ipv6 ? 8 : 12), b.at + (x.is_ipv6 ? 8 : 12),
		      x.is_ipv6 ? 32 : 8) == 0 &&
	       memcmp(a.at + x.ip_len, b.at + y.ip_len, 4) == 0;
}

/* The first that is equal and not yet seen; none of its flow before it may be missing. */
static void see(struct input *in, struct span packet)
{
	for (size_t i = 0; i < in->n; i++) {
		if (in->is_seen[i])
			continue;
		if (in->packets[i].len == packet.len &&
		    (packet.len == 0 || memcmp(in->packets[i].at, packet.at, packet.len) == 0)) {
			in->is_seen[i] = true;
			return;
		}
		assert(!is_same_flow(in->packets[i], packet));
	}
	abort(); /* a packet that nobody sent */
}

static int on_write(void *arg, const struct vnet_header *h, const struct iovec *pieces, unsigned n)
{
	static uint8_t whole[65536];
	size_t len = 0;
	struct span next;
	struct cut c;

	for (unsigned i = 0; i < n; i++) {
		assert(len + pieces[i].iov_len <= sizeof(whole));
		memcpy(whole + len, pieces[i].iov_base, pieces[i].iov_len);
		len += pieces[i].iov_len;
	}
	assert(cut_begin(&c, h, whole, len) == 0);
	while (cut_next(&c, &next))
		see(arg, next);
	return 0;
}

static void mend(uint8_t *packet, size_t len)
{
	struct headers h;
	size_t at;

	if (headers_read(SPAN(packet, len), &h) < 0)
		return;
	at = headers_checksum_at(&h);
	checksum_store(packet + at, 0);
	checksum_store(packet + at, (uint16_t)~checksum_fold(checksum_add(
					    headers_pseudo_sum(&h, packet, len - h.ip_len),
					    SPAN(packet + h.ip_len, len - h.ip_len))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct input in;
	static struct merge merge;
	struct reader r = reader_of(SPAN(data, size));
	size_t used = 0;

	in.n = 0;
	while (in.n < PACKETS_MAX && r.left >= 2) {
		uint16_t head = read_u16(&r);
		size_t len = head & 0x7fff;
		uint8_t *packet = in.bytes + used;

		if (len > r.left || used + len > sizeof(in.bytes))
			break;
		read_copy(&r, packet, len);
		if (head & MEND)
			mend(packet, len);
		in.is_seen[in.n] = false;
		in.packets[in.n++] = SPAN(packet, len);
		used += len;
	}
	merge_init(&merge, true, true, on_write, &in);
	for (size_t i = 0; i < in.n; i++)
		merge_add(&merge, in.packets[i]);
	merge_flush(&merge);
	for (size_t i = 0; i < in.n; i++)
		assert(in.is_seen[i]);
	return 0;
}
