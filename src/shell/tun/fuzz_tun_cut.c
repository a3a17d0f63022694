/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: what a TUN device hands over, virtio-net header and packet. What is cut has right
 * checksums, and put together and cut again it is the same. */
#include <assert.h>
#include <stdlib.h>

#include "shell/tun/checksum.h"
#include "shell/tun/cut.h"
#include "shell/tun/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WHOLE_MAX 65536

struct again {
	const struct span *cut;
	size_t n, at;
};

/* Cuts what was put together: the packets as they were, in their order. */
static int on_write(void *arg, const struct vnet_header *h, const struct iovec *pieces, unsigned n)
{
	static uint8_t whole[WHOLE_MAX];
	struct again *again = arg;
	size_t len = 0;
	struct span next;
	struct cut c;

	for (unsigned i = 0; i < n; i++) {
		assert(len + pieces[i].iov_len <= sizeof(whole));
		memcpy(whole + len, pieces[i].iov_base, pieces[i].iov_len);
		len += pieces[i].iov_len;
	}
	assert(cut_begin(&c, h, whole, len) == 0);
	while (cut_next(&c, &next)) {
		assert(again->at < again->n);
		assert(next.len == again->cut[again->at].len);
		assert(memcmp(next.at, again->cut[again->at].at, next.len) == 0);
		again->at++;
	}
	return 0;
}

static void check(struct span packet)
{
	struct headers h;
	uint64_t sum;

	assert(headers_read(packet, &h) == 0);
	sum = headers_pseudo_sum(&h, packet.at, packet.len - h.ip_len);
	sum = checksum_add(sum, SPAN(packet.at + h.ip_len, packet.len - h.ip_len));
	assert(checksum_fold(sum) == 0xffff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct span cut[CUT_SEGMENTS_MAX];
	static struct merge merge;
	static uint8_t packet[WHOLE_MAX];
	struct again again = { .cut = cut };
	struct vnet_header h;
	struct span next;
	struct cut c;

	if (size < VNET_HEADER_LEN || size > VNET_HEADER_LEN + 65535)
		return 0;
	h = vnet_decode(data);
	size -= VNET_HEADER_LEN;
	memcpy(packet, data + VNET_HEADER_LEN, size);
	if (cut_begin(&c, &h, packet, size) < 0)
		return 0;
	while (cut_next(&c, &next)) {
		uint8_t *copy = malloc(next.len ? next.len : 1);

		assert(copy);
		if (next.len > 0)
			memcpy(copy, next.at, next.len);
		if (c.gso_size > 0)
			check(next);
		cut[again.n++] = SPAN(copy, next.len);
	}
	merge_init(&merge, true, true, on_write, &again);
	for (size_t i = 0; i < again.n; i++)
		merge_add(&merge, cut[i]);
	merge_flush(&merge);
	assert(again.at == again.n);
	for (size_t i = 0; i < again.n; i++)
		free((void *)(uintptr_t)cut[i].at);
	return 0;
}
