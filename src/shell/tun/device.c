/* SPDX-License-Identifier: Apache-2.0 */
/* The device with offloads: super-packets are cut as they come and put together as they go. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "shell/tun/cut.h"
#include "shell/tun/merge.h"
#include "shell/tun/tun.h"

#define READ_SIZE (VNET_HEADER_LEN + TUN_PACKET_MAX)

struct tun {
	int fd;
	unsigned offloads;
	struct tun_counters counters;
	struct merge merge;
	uint8_t buffer[READ_SIZE];
};

static int write_pieces(void *arg, const struct vnet_header *h, const struct iovec *pieces,
			unsigned n_pieces)
{
	struct iovec all[MERGE_PACKETS_MAX + 2];
	uint8_t header[VNET_HEADER_LEN];
	struct tun *t = arg;
	unsigned n = 0;
	ssize_t r;

	if (t->offloads & TUN_OFFLOAD_HEADER) {
		vnet_encode(h, header);
		all[n++] = (struct iovec){ header, sizeof(header) };
	}
	memcpy(all + n, pieces, n_pieces * sizeof(*pieces));
	do {
		r = writev(t->fd, all, (int)(n + n_pieces));
	} while (r < 0 && errno == EINTR);
	t->counters.writes++;
	if (r >= 0)
		return 0;
	t->counters.dropped++;
	return -errno;
}

int tun_new(int fd, unsigned offloads, struct tun **ret)
{
	struct tun *t = malloc(sizeof(*t)); /* its buffer takes memory once it is used */

	if (!t)
		return -ENOMEM;
	t->fd = fd;
	t->offloads = offloads;
	t->counters = (struct tun_counters){ 0 };
	merge_init(&t->merge, offloads & TUN_OFFLOAD_TCP, offloads & TUN_OFFLOAD_UDP, write_pieces,
		   t);
	*ret = t;
	return 0;
}

void tun_free(struct tun *t)
{
	if (!t)
		return;
	(void)close(t->fd);
	free(t);
}

int tun_fd(const struct tun *t)
{
	return t->fd;
}

unsigned tun_offloads(const struct tun *t)
{
	return t->offloads;
}

static void cut_all(struct tun *t, uint8_t *packet, size_t len, tun_handler *handler, void *arg)
{
	struct vnet_header h = vnet_decode(t->buffer);
	struct span next;
	struct cut c;

	if (cut_begin(&c, &h, packet, len) < 0) {
		t->counters.malformed++;
		return;
	}
	while (cut_next(&c, &next)) {
		t->counters.received++;
		handler(arg, next);
	}
}

int tun_receive(struct tun *t, tun_handler *handler, void *arg)
{
	size_t header = t->offloads & TUN_OFFLOAD_HEADER ? VNET_HEADER_LEN : 0;
	size_t len;
	int r = tun_read(t->fd, t->buffer, sizeof(t->buffer), &len);

	if (r < 0)
		return r;
	t->counters.reads++;
	if (len < header) {
		t->counters.malformed++;
	} else if (header == 0) {
		t->counters.received++;
		handler(arg, SPAN(t->buffer, len));
	} else {
		cut_all(t, t->buffer + header, len - header, handler, arg);
	}
	return (int)len;
}

void tun_send(struct tun *t, struct span packet)
{
	t->counters.sent++;
	merge_add(&t->merge, packet);
}

void tun_flush(struct tun *t)
{
	merge_flush(&t->merge);
}

void tun_counters(const struct tun *t, struct tun_counters *ret)
{
	*ret = t->counters;
}
