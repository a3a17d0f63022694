/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: several messages a system call, each of one datagram or, by UDP_GRO, of a run of them.
 */
#include <errno.h>
#include <netinet/udp.h>

#include "shell/udp/internal.h"

struct batch {
	struct mmsghdr messages[UDP_BATCH];
	struct iovec pieces[UDP_BATCH];
	struct sockaddr_in6 from[UDP_BATCH];
	_Alignas(struct cmsghdr) uint8_t control[UDP_BATCH][UDP_CONTROL_SIZE];
};

struct receiver {
	udp_handler *handler;
	udp_pause *pause;
	void *arg;
	unsigned since_pause;
};

static bool is_on(const struct udp *u, enum udp_offload o)
{
	return !u->why_off[o];
}

static unsigned batch_prepare(struct batch *b, struct udp *u)
{
	unsigned n = is_on(u, UDP_OFFLOAD_GRO) ? UDP_GRO_BATCH : UDP_BATCH;

	if (!is_on(u, UDP_OFFLOAD_BATCH))
		n = 1;
	for (unsigned i = 0; i < n; i++) {
		b->pieces[i] = (struct iovec){ u->buffers + i * u->buffer_size, u->buffer_size };
		b->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &b->from[i],
			.msg_namelen = sizeof(b->from[i]),
			.msg_iov = &b->pieces[i],
			.msg_iovlen = 1,
			.msg_control = b->control[i],
			.msg_controllen = UDP_CONTROL_SIZE,
		};
	}
	return n;
}

/* The kernel counts what it dropped since the socket was made, in 32 bits that wrap; and tells
 * the size of the datagrams of a run. Returns that, 0 for a single one. */
static size_t read_control(struct udp *u, struct msghdr *h)
{
	int segment = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		uint32_t total;

		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
			memcpy(&total, CMSG_DATA(c), sizeof(total));
			u->counters.kernel_dropped += (uint32_t)(total - u->overflow);
			u->overflow = total;
		}
	}
	return segment > 0 ? (size_t)segment : 0;
}

static void hand_over(struct udp *u, const struct receiver *r, const struct endpoint *from,
		      struct span datagram)
{
	if (datagram.len > UDP_DATAGRAM_MAX) {
		u->counters.too_long++;
		return;
	}
	u->counters.received++;
	u->counters.received_bytes += datagram.len;
	r->handler(r->arg, from, datagram);
}

static unsigned take(struct udp *u, struct mmsghdr *m, const struct receiver *r)
{
	struct endpoint from = udp_endpoint(m->msg_hdr.msg_name);
	const uint8_t *at = m->msg_hdr.msg_iov->iov_base;
	size_t segment = read_control(u, &m->msg_hdr);
	unsigned n = 0;

	u->counters.receives++;
	if (m->msg_hdr.msg_flags & MSG_TRUNC) {
		u->counters.too_long++;
		return 1;
	}
	if (segment == 0)
		segment = m->msg_len;
	for (size_t done = 0; done < m->msg_len || n == 0; done += segment, n++) {
		size_t left = m->msg_len - done;

		hand_over(u, r, &from, SPAN(at + done, left < segment ? left : segment));
	}
	return n;
}

static void pause_after(struct receiver *r, unsigned n, bool is_last)
{
	r->since_pause += n;
	if (!r->pause || r->since_pause == 0 || (!is_last && r->since_pause < UDP_PAUSE_AFTER))
		return;
	r->since_pause = 0;
	r->pause(r->arg);
}

int udp_receive(struct udp *u, udp_handler *handler, udp_pause *pause, void *arg)
{
	struct receiver r = { .handler = handler, .pause = pause, .arg = arg };
	struct batch b;
	unsigned n = 0;

	while (n < UDP_RECEIVE_MAX) {
		unsigned room = batch_prepare(&b, u);
		int got = recvmmsg(u->fd, b.messages, room, MSG_DONTWAIT, NULL);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			break;
		if (got < 0)
			return -errno;
		for (int i = 0; i < got; i++) {
			unsigned taken = take(u, &b.messages[i], &r);

			n += taken;
			pause_after(&r, taken, false);
		}
		if ((unsigned)got < room)
			break;
	}
	pause_after(&r, 0, true);
	return (int)n;
}
