/* SPDX-License-Identifier: Apache-2.0 */
/* Sending: one at once, or what a drain has gathered, in as few system calls as the kernel lets. */
#include <errno.h>
#include <netinet/udp.h>

#include "shell/udp/internal.h"

/* Size of a segment, traffic class. */
#define CONTROL_SIZE (CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(int)))
#define MESSAGES_SEEN 8 /* a datagram joins one of the last messages, or begins one */

/* Datagrams to one destination, all of the first one's size but the last, which may be shorter. */
struct message {
	unsigned first; /* index of its first datagram: destination and size */
	unsigned n;
	unsigned first_piece; /* index into pieces */
	size_t len;
	bool is_closed;
};

struct flush {
	struct udp *udp;
	struct queue *queue;
	enum udp_class class;
	bool is_draining;
	struct message messages[UDP_QUEUE_MAX];
	unsigned n_messages;
	struct mmsghdr headers[UDP_QUEUE_MAX];
	struct sockaddr_in6 to[UDP_QUEUE_MAX];
	struct iovec pieces[UDP_QUEUE_MAX];
	_Alignas(struct cmsghdr) uint8_t control[UDP_QUEUE_MAX][CONTROL_SIZE];
};

static void count_failure(struct udp_counters *c, int error, unsigned n)
{
	switch (error) {
	case ENOBUFS:
	case ENOMEM:
		c->no_buffers += n;
		break;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EADDRNOTAVAIL:
	case ENETDOWN:
		c->unreachable += n;
		break;
	case EPERM:
	case EACCES:
		c->refused += n;
		break;
	default:
		c->failed += n;
		break;
	}
}

static void count_sent(struct udp_counters *c, unsigned n, size_t len)
{
	c->sends++;
	c->sent += n;
	c->sent_bytes += len;
}

/* ---- what the kernel is told beside the bytes ---- */

static void add_control(struct msghdr *h, int level, int type, const void *value, size_t len)
{
	struct cmsghdr *c =
		(struct cmsghdr *)(void *)((uint8_t *)h->msg_control + h->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), value, len);
	h->msg_controllen += CMSG_SPACE(len);
}

/* segment: 0 for a single datagram. control has CONTROL_SIZE bytes. */
static void fill_control(struct msghdr *h, uint8_t *control, const struct endpoint *to,
			 uint16_t segment, uint8_t traffic_class)
{
	int wide = traffic_class;

	h->msg_control = control;
	h->msg_controllen = 0;
	if (segment > 0)
		add_control(h, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	if (traffic_class > 0 && endpoint_is_ipv4(to))
		add_control(h, IPPROTO_IP, IP_TOS, &wide, sizeof(wide));
	else if (traffic_class > 0)
		add_control(h, IPPROTO_IPV6, IPV6_TCLASS, &wide, sizeof(wide));
	if (h->msg_controllen == 0)
		h->msg_control = NULL;
}

static struct iovec piece_of(struct span bytes)
{
	union {
		const uint8_t *in;
		void *out;
	} at = { .in = bytes.at };

	return (struct iovec){ at.out, bytes.len };
}

/* What the network said of a datagram before makes the next call fail, whoever that one is for, and
 * then it is over with: so once more, and what fails again failed. */
static bool may_be_of_another(unsigned *tries)
{
	return errno != EAGAIN && errno != ENOBUFS && (*tries)++ == 0;
}

static int send_one(struct udp *u, const struct endpoint *to, uint8_t traffic_class,
		    struct span datagram)
{
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
	struct sockaddr_in6 a = udp_sockaddr(to);
	struct iovec piece = piece_of(datagram);
	struct msghdr h = {
		.msg_name = &a,
		.msg_namelen = sizeof(a),
		.msg_iov = &piece,
		.msg_iovlen = 1,
	};
	unsigned tries = 0;
	ssize_t n;

	fill_control(&h, control, to, 0, traffic_class);
	do {
		n = sendmsg(u->main.fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && (errno == EINTR || may_be_of_another(&tries)));
	if (n < 0)
		return -errno;
	count_sent(&u->counters, 1, datagram.len);
	return 0;
}

int udp_send_aside(const struct udp *u, const struct endpoint *to, struct span datagram)
{
	struct sockaddr_in6 a = udp_sockaddr(to);
	unsigned tries = 0;
	ssize_t n;

	do {
		n = sendto(u->main.fd, datagram.at, datagram.len, MSG_DONTWAIT | MSG_NOSIGNAL,
			   (const struct sockaddr *)&a, sizeof(a));
	} while (n < 0 && (errno == EINTR || may_be_of_another(&tries)));
	return n < 0 ? -errno : 0;
}

int udp_send(struct udp *u, const struct endpoint *to, struct span datagram)
{
	int r = send_one(u, to, 0, datagram);

	if (r < 0)
		count_failure(&u->counters, -r, 1);
	return r;
}

/* ---- what has to wait ---- */

static void hold(struct udp *u, enum udp_class class, const struct outgoing *o)
{
	if (backlog_push(&u->backlog, class, &o->to, o->traffic_class, o->datagram) < 0)
		u->counters.dropped[class]++;
	else
		u->counters.held++;
}

static void send_or_hold(struct udp *u, enum udp_class class, const struct outgoing *o)
{
	int r = u->backlog.n > 0 ? -EAGAIN : send_one(u, &o->to, o->traffic_class, o->datagram);

	if (r == -EAGAIN)
		hold(u, class, o);
	else if (r < 0)
		count_failure(&u->counters, -r, 1);
}

static void send_or_drop(struct udp *u, enum udp_class class, const struct outgoing *o)
{
	int r = send_one(u, &o->to, o->traffic_class, o->datagram);

	if (r == -EAGAIN)
		u->counters.dropped[class]++;
	else if (r < 0)
		count_failure(&u->counters, -r, 1);
}

/* ---- which destinations take segments ---- */

static void forbid_segments(struct udp *u, const struct endpoint *to)
{
	for (unsigned i = 0; i < UDP_UNSEGMENTED_MAX; i++)
		if (u->unsegmented[i].left > 0 && endpoint_equal(&u->unsegmented[i].to, to))
			return; /* an earlier message of this flush has met it */
	u->has_unsegmented = true;
	u->unsegmented[u->next_unsegmented].to = *to;
	u->unsegmented[u->next_unsegmented].left = UDP_UNSEGMENTED_TRY;
	u->next_unsegmented = (u->next_unsegmented + 1) % UDP_UNSEGMENTED_MAX;
}

static bool takes_segments(struct udp *u, const struct endpoint *to)
{
	if (u->why_off[UDP_OFFLOAD_GSO])
		return false;
	for (unsigned i = 0; u->has_unsegmented && i < UDP_UNSEGMENTED_MAX; i++) {
		if (u->unsegmented[i].left == 0 || !endpoint_equal(&u->unsegmented[i].to, to))
			continue;
		u->unsegmented[i].left--;
		return false;
	}
	return true;
}

/* ---- putting messages together ---- */

/* The last message to the same destination, so that the order is kept. */
static struct message *joinable(struct flush *f, const struct outgoing *o)
{
	unsigned seen = f->n_messages < MESSAGES_SEEN ? f->n_messages : MESSAGES_SEEN;

	for (unsigned i = 1; i <= seen; i++) {
		struct message *m = &f->messages[f->n_messages - i];
		const struct outgoing *first = &f->queue->of[m->first];

		if (!endpoint_equal(&first->to, &o->to))
			continue;
		if (m->is_closed || o->traffic_class != first->traffic_class ||
		    m->n >= UDP_SEGMENTS_MAX || o->datagram.len > first->datagram.len ||
		    o->datagram.len == 0 || m->len + o->datagram.len > UDP_SEND_MAX)
			return NULL;
		return m;
	}
	return NULL;
}

static void assign(struct flush *f, unsigned i)
{
	struct outgoing *o = &f->queue->of[i];
	struct message *m = takes_segments(f->udp, &o->to) ? joinable(f, o) : NULL;

	if (!m) {
		m = &f->messages[f->n_messages++];
		*m = (struct message){ .first = i };
	}
	m->n++;
	m->len += o->datagram.len;
	m->is_closed = o->datagram.len < f->queue->of[m->first].datagram.len;
	o->message = (unsigned)(m - f->messages);
}

static void write_header(struct flush *f, unsigned i)
{
	const struct message *m = &f->messages[i];
	const struct outgoing *first = &f->queue->of[m->first];
	struct msghdr *h = &f->headers[i].msg_hdr;

	f->to[i] = udp_sockaddr(&first->to);
	*h = (struct msghdr){
		.msg_name = &f->to[i],
		.msg_namelen = sizeof(f->to[i]),
		.msg_iov = &f->pieces[m->first_piece],
		.msg_iovlen = 0,
	};
	fill_control(h, f->control[i], &first->to, m->n > 1 ? (uint16_t)first->datagram.len : 0,
		     first->traffic_class);
}

static bool goes_on(const struct iovec *piece, const uint8_t *at)
{
	return (const uint8_t *)piece->iov_base + piece->iov_len == at;
}

static void compose(struct flush *f)
{
	unsigned at = 0;

	for (unsigned i = 0; i < f->queue->n; i++)
		assign(f, i);
	for (unsigned i = 0; i < f->n_messages; i++) {
		f->messages[i].first_piece = at;
		write_header(f, i);
		at += f->messages[i].n;
	}
	for (unsigned i = 0; i < f->queue->n; i++) {
		const struct outgoing *o = &f->queue->of[i];
		struct msghdr *h = &f->headers[o->message].msg_hdr;
		size_t end = f->messages[o->message].first_piece + h->msg_iovlen;

		/* A run that is relayed lies as it came, without gaps. */
		if (h->msg_iovlen > 0 && goes_on(&f->pieces[end - 1], o->datagram.at)) {
			f->pieces[end - 1].iov_len += o->datagram.len;
			continue;
		}
		f->pieces[end] = piece_of(o->datagram);
		h->msg_iovlen++;
	}
}

/* ---- sending them ---- */

static void send_singly(struct flush *f, unsigned message)
{
	for (unsigned i = 0; i < f->queue->n; i++) {
		const struct outgoing *o = &f->queue->of[i];

		if (o->message != message)
			continue;
		if (f->is_draining) /* they wait already, and at the front */
			send_or_drop(f->udp, f->class, o);
		else
			send_or_hold(f->udp, f->class, o);
	}
}

/* EIO: the device cannot compute checksums, so the kernel will never cut for it. EINVAL and
 * EMSGSIZE: the path's MTU is less than a segment, and only whole datagrams may be fragmented. */
static void failed(struct flush *f, unsigned i, int error)
{
	const struct message *m = &f->messages[i];

	if (m->n == 1) {
		count_failure(&f->udp->counters, error, 1);
		return;
	}
	switch (error) {
	case EIO:
		f->udp->why_off[UDP_OFFLOAD_GSO] =
			"the network device cannot compute checksums (EIO)";
		send_singly(f, i);
		break;
	case EINVAL:
	case EMSGSIZE:
		forbid_segments(f->udp, &f->queue->of[m->first].to);
		send_singly(f, i);
		break;
	default:
		count_failure(&f->udp->counters, error, m->n);
		break;
	}
}

/* Returns how many messages are dealt with: all but those that the socket has no room for. */
static unsigned send_all(struct flush *f)
{
	unsigned at_once = f->udp->why_off[UDP_OFFLOAD_BATCH] ? 1 : f->n_messages;
	unsigned i = 0, tries = 0;

	while (i < f->n_messages) {
		unsigned left = f->n_messages - i;
		int n = sendmmsg(f->udp->main.fd, &f->headers[i], left < at_once ? left : at_once,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && may_be_of_another(&tries))
			continue;
		tries = 0;
		if (n < 0) {
			failed(f, i++, errno);
			if (!f->is_draining && f->udp->backlog.n > 0)
				break; /* what it was cut into waits: nothing overtakes it */
			continue;
		}
		for (int end = n; end > 0; end--, i++)
			count_sent(&f->udp->counters, f->messages[i].n, f->messages[i].len);
	}
	return i;
}

static unsigned send_queue(struct flush *f, struct udp *u, enum udp_class class, bool is_draining)
{
	f->udp = u;
	f->queue = &u->queues[class];
	f->class = class;
	f->is_draining = is_draining;
	f->n_messages = 0;
	compose(f);
	return send_all(f);
}

/* What does not go at once waits, and what comes after it waits behind it. */
static void flush_class(struct udp *u, enum udp_class class)
{
	struct queue *q = &u->queues[class];
	struct flush f;
	unsigned done = 0;
	bool is_waiting = u->backlog.n > 0;

	if (q->n == 0)
		return;
	if (q->n == 1) { /* as interactive traffic comes: without all of the above */
		send_or_hold(u, class, &q->of[0]);
		q->n = 0;
		return;
	}
	if (!is_waiting) {
		done = send_queue(&f, u, class, false);
		is_waiting = done < f.n_messages;
	}
	for (unsigned i = 0; is_waiting && i < q->n; i++)
		if (done == 0 || q->of[i].message >= done)
			hold(u, class, &q->of[i]);
	q->n = 0;
}

/* ---- the backlog ---- */

/* The first of a class that go to one destination: their messages follow each other. */
static void take_run(struct udp *u, enum udp_class class)
{
	struct queue *q = &u->queues[class];
	const struct held *first = backlog_at(&u->backlog, class, 0);

	for (q->n = 0; q->n < UDP_SEGMENTS_MAX && q->n < u->backlog.classes[class].n; q->n++) {
		const struct held *h = backlog_at(&u->backlog, class, q->n);

		if (!endpoint_equal(&h->to, &first->to))
			break;
		q->of[q->n] = (struct outgoing){
			.to = h->to,
			.datagram = SPAN(h->bytes, h->len),
			.traffic_class = h->traffic_class,
		};
	}
}

static void drain(struct udp *u)
{
	struct flush f;

	while (u->backlog.n > 0) {
		enum udp_class class = backlog_next(&u->backlog);
		unsigned done, n = 0;

		take_run(u, class);
		done = send_queue(&f, u, class, true);
		for (unsigned i = 0; i < done; i++)
			n += f.messages[i].n;
		backlog_pop(&u->backlog, class, n);
		u->queues[class].n = 0;
		if (done < f.n_messages)
			return;
	}
}

void udp_flush(struct udp *u)
{
	bool was_blocked = u->backlog.n > 0;

	for (unsigned i = 0; i < UDP_N_CLASSES; i++)
		flush_class(u, (enum udp_class)i);
	if (was_blocked)
		drain(u);
}

bool udp_is_blocked(const struct udp *u)
{
	return u->backlog.n > 0;
}

void udp_queue(struct udp *u, const struct endpoint *to, enum udp_class class,
	       uint8_t traffic_class, struct span datagram)
{
	struct queue *q = &u->queues[class];
	struct outgoing *o;

	if (u->why_off[UDP_OFFLOAD_BATCH] && u->why_off[UDP_OFFLOAD_GSO]) {
		send_or_hold(u, class,
			     &(struct outgoing){ .to = *to,
						 .datagram = datagram,
						 .traffic_class = traffic_class });
		return;
	}
	if (q->n == UDP_QUEUE_MAX)
		udp_flush(u);
	o = &q->of[q->n++];
	o->to = *to;
	o->datagram = datagram;
	o->traffic_class = traffic_class;
}
