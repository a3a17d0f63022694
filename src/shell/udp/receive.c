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
	unsigned since_pause, since_urgent; /* datagrams */
};

static bool is_on(const struct udp *u, enum udp_offload o)
{
	return !u->why_off[o];
}

/* Of max messages at most, which goes into the number of buffers. */
static unsigned batch_prepare(struct batch *b, const struct udp *u, struct inlet *in, unsigned max)
{
	unsigned n_buffers = is_on(u, UDP_OFFLOAD_GRO) ? UDP_GRO_BATCH : UDP_BATCH;
	unsigned at_once = max < n_buffers ? max : n_buffers;
	unsigned n = is_on(u, UDP_OFFLOAD_BATCH) ? at_once : 1;
	uint8_t *first = in->buffers + in->next * u->buffer_size;

	in->next = (in->next + n) % n_buffers;
	for (unsigned i = 0; i < n; i++) {
		b->pieces[i] = (struct iovec){ first + i * u->buffer_size, u->buffer_size };
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
 * the size of the datagrams of a run, which it returns (0 for a single one), and their traffic
 * class: runs of different ones are not put together. */
static size_t read_control(struct udp *u, struct inlet *in, struct msghdr *h,
			   uint8_t *ret_traffic_class)
{
	int segment = 0, wide;

	*ret_traffic_class = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		uint32_t total;

		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
			memcpy(&total, CMSG_DATA(c), sizeof(total));
			u->counters.kernel_dropped += (uint32_t)(total - in->overflow);
			in->overflow = total;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			memcpy(&wide, CMSG_DATA(c), sizeof(wide));
			*ret_traffic_class = (uint8_t)wide;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			*ret_traffic_class = *CMSG_DATA(c);
		}
	}
	return segment > 0 ? (size_t)segment : 0;
}

static void hand_over(struct udp *u, const struct receiver *r, const struct endpoint *from,
		      uint8_t traffic_class, uint8_t *datagram, size_t len)
{
	if (len > UDP_DATAGRAM_MAX) {
		u->counters.too_long++;
		return;
	}
	u->counters.received++;
	u->counters.received_bytes += len;
	r->handler(r->arg, from, traffic_class, datagram, len);
}

static void prefetch(const uint8_t *at)
{
	__builtin_prefetch(at);
	__builtin_prefetch(at + 64);
}

static unsigned take(struct udp *u, struct inlet *in, struct mmsghdr *m, const struct receiver *r)
{
	struct endpoint from = udp_endpoint(m->msg_hdr.msg_name);
	uint8_t *at = m->msg_hdr.msg_iov->iov_base;
	uint8_t traffic_class;
	size_t segment = read_control(u, in, &m->msg_hdr, &traffic_class);
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

		if (left > segment) /* the header of the next is all that a relay looks at */
			prefetch(at + done + segment);
		hand_over(u, r, &from, traffic_class, at + done, left < segment ? left : segment);
	}
	return n;
}

#define TRIES 8 /* who forges ICMP may be as fast as we are */

static void pause_after(struct receiver *r, unsigned n, bool is_last)
{
	r->since_pause += n;
	if (!r->pause || r->since_pause == 0 || (!is_last && r->since_pause < UDP_PAUSE_AFTER))
		return;
	r->since_pause = 0;
	r->pause(r->arg);
}

/* Of a datagram sent before (udp_receive_errors()): the next call no longer fails for it. */
static bool is_of_network(int error)
{
	return error != EAGAIN && error != EBADF && error != EFAULT && error != EINVAL &&
	       error != ENOTSOCK && error != ENOMEM;
}

static int receive_batch(const struct inlet *in, struct batch *b, unsigned room)
{
	unsigned tries = 0;
	int got;

	do {
		got = recvmmsg(in->fd, b->messages, room, MSG_DONTWAIT, NULL);
	} while (got < 0 && (errno == EINTR || (is_of_network(errno) && tries++ < TRIES)));
	if (got < 0 && is_of_network(errno))
		errno = EAGAIN;
	return got;
}

/* Before its buffers are received into again. */
static void pause_when_used_up(struct receiver *r, const struct inlet *in)
{
	if (in->next == 0)
		pause_after(r, 0, true);
}

/* One batch of what is urgent: so much of it may go before UDP_PAUSE_AFTER of bulk, so that a flood
 * of it leaves a share to all else, handshakes among it. */
static int receive_urgent(struct udp *u, struct receiver *r)
{
	struct batch b;
	unsigned room, n = 0;
	int got;

	r->since_urgent = 0;
	if (u->urgent.fd < 0)
		return 0;
	room = batch_prepare(&b, u, &u->urgent,
			     is_on(u, UDP_OFFLOAD_GRO) ? UDP_URGENT_GRO_BATCH : UDP_BATCH);
	got = receive_batch(&u->urgent, &b, room);
	if (got < 0 && errno != EAGAIN)
		return -errno;
	for (int i = 0; i < got; i++) {
		unsigned taken = take(u, &u->urgent, &b.messages[i], r);

		n += taken;
		pause_after(r, taken, false);
	}
	pause_when_used_up(r, &u->urgent);
	return (int)n;
}

static int take_batch(struct udp *u, struct batch *b, int n_messages, struct receiver *r)
{
	unsigned n = 0;

	for (int i = 0; i < n_messages; i++) {
		unsigned taken = take(u, &u->main, &b->messages[i], r);
		int urgent = 0;

		r->since_urgent += taken;
		if (r->since_urgent >= UDP_PAUSE_AFTER)
			urgent = receive_urgent(u, r);
		if (urgent < 0)
			return urgent;
		n += taken + (unsigned)urgent;
		pause_after(r, taken, false);
	}
	pause_when_used_up(r, &u->main);
	return (int)n;
}

int udp_receive_urgent(struct udp *u, udp_handler *handler, udp_pause *pause, void *arg)
{
	struct receiver r = { .handler = handler, .pause = pause, .arg = arg };
	int n = receive_urgent(u, &r);

	pause_after(&r, 0, true);
	return n;
}

int udp_receive(struct udp *u, udp_handler *handler, udp_pause *pause, void *arg)
{
	struct receiver r = { .handler = handler, .pause = pause, .arg = arg };
	int urgent = receive_urgent(u, &r), n = 0;
	struct batch b;

	if (urgent < 0)
		return urgent;
	while (n >= 0 && n < UDP_RECEIVE_MAX) {
		unsigned room = batch_prepare(&b, u, &u->main, UDP_BATCH);
		int got = receive_batch(&u->main, &b, room);

		if (got < 0 && errno == EAGAIN)
			break;
		if (got < 0)
			return -errno;
		int taken = take_batch(u, &b, got, &r);

		n = taken < 0 ? taken : n + taken;
		if ((unsigned)got < room)
			break;
	}
	pause_after(&r, 0, true);
	return n < 0 ? n : n + urgent;
}
