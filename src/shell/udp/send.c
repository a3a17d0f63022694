/* SPDX-License-Identifier: Apache-2.0 */
/* Sending: one at once, or what a drain has gathered, in as few system calls as the kernel lets. */
#include <errno.h>
#include <netinet/udp.h>

#include "shell/udp/internal.h"

#define MESSAGES_SEEN 8 /* a datagram joins one of the last messages, or begins one */

/* Datagrams to one destination, all of the first one's size but the last, which may be shorter. */
struct message {
	unsigned first; /* index of its first datagram: destination and size */
	unsigned n;
	size_t len;
	bool is_closed;
};

struct flush {
	struct udp *udp;
	struct queue *queue;
	struct message messages[UDP_QUEUE_MAX];
	unsigned n_messages;
	struct mmsghdr headers[UDP_QUEUE_MAX];
	struct sockaddr_in6 to[UDP_QUEUE_MAX];
	struct iovec pieces[UDP_QUEUE_MAX];
	_Alignas(struct cmsghdr) uint8_t control[UDP_QUEUE_MAX][CMSG_SPACE(sizeof(uint16_t))];
};

static void count_failure(struct udp_counters *c, int error, unsigned n)
{
	switch (error) {
	case EAGAIN:
		c->would_block += n;
		break;
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

int udp_send(struct udp *u, const struct endpoint *to, struct span datagram)
{
	struct sockaddr_in6 a = udp_sockaddr(to);
	ssize_t n;

	do {
		n = sendto(u->fd, datagram.at, datagram.len, MSG_DONTWAIT | MSG_NOSIGNAL,
			   (struct sockaddr *)&a, sizeof(a));
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		int error = errno;

		count_failure(&u->counters, error, 1);
		return -error;
	}
	count_sent(&u->counters, 1, datagram.len);
	return 0;
}

/* ---- which destinations take segments ---- */

static void forbid_segments(struct udp *u, const struct endpoint *to)
{
	for (unsigned i = 0; i < UDP_UNSEGMENTED_MAX; i++)
		if (u->unsegmented[i].left > 0 && endpoint_equal(&u->unsegmented[i].to, to))
			return; /* an earlier message of this flush has met it */
	u->unsegmented[u->next_unsegmented].to = *to;
	u->unsegmented[u->next_unsegmented].left = UDP_UNSEGMENTED_TRY;
	u->next_unsegmented = (u->next_unsegmented + 1) % UDP_UNSEGMENTED_MAX;
}

static bool takes_segments(struct udp *u, const struct endpoint *to)
{
	if (u->why_off[UDP_OFFLOAD_GSO])
		return false;
	for (unsigned i = 0; i < UDP_UNSEGMENTED_MAX; i++) {
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
		if (m->is_closed || m->n >= UDP_SEGMENTS_MAX ||
		    o->datagram.len > first->datagram.len || o->datagram.len == 0 ||
		    m->len + o->datagram.len > UDP_SEND_MAX)
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

static void write_header(struct flush *f, unsigned i, struct iovec *pieces)
{
	const struct message *m = &f->messages[i];
	const struct outgoing *first = &f->queue->of[m->first];
	struct msghdr *h = &f->headers[i].msg_hdr;
	uint16_t segment = (uint16_t)first->datagram.len;
	struct cmsghdr *c;

	f->to[i] = udp_sockaddr(&first->to);
	*h = (struct msghdr){
		.msg_name = &f->to[i],
		.msg_namelen = sizeof(f->to[i]),
		.msg_iov = pieces,
		.msg_iovlen = 0,
	};
	if (m->n == 1)
		return;
	h->msg_control = f->control[i];
	h->msg_controllen = sizeof(f->control[i]);
	c = CMSG_FIRSTHDR(h);
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(segment));
	memcpy(CMSG_DATA(c), &segment, sizeof(segment));
}

static void compose(struct flush *f)
{
	unsigned at = 0;

	for (unsigned i = 0; i < f->queue->n; i++)
		assign(f, i);
	for (unsigned i = 0; i < f->n_messages; i++) {
		write_header(f, i, f->pieces + at);
		at += f->messages[i].n;
	}
	for (unsigned i = 0; i < f->queue->n; i++) {
		const struct outgoing *o = &f->queue->of[i];
		struct msghdr *h = &f->headers[o->message].msg_hdr;
		union {
			const uint8_t *in;
			void *out;
		} bytes = { .in = o->datagram.at };

		h->msg_iov[h->msg_iovlen++] = (struct iovec){ bytes.out, o->datagram.len };
	}
}

/* ---- sending them ---- */

static void send_singly(struct flush *f, unsigned message)
{
	for (unsigned i = 0; i < f->queue->n; i++) {
		const struct outgoing *o = &f->queue->of[i];

		if (o->message == message)
			(void)udp_send(f->udp, &o->to, o->datagram);
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

static void send_all(struct flush *f)
{
	unsigned at_once = f->udp->why_off[UDP_OFFLOAD_BATCH] ? 1 : f->n_messages;

	for (unsigned i = 0; i < f->n_messages;) {
		unsigned left = f->n_messages - i;
		int n = sendmmsg(f->udp->fd, &f->headers[i], left < at_once ? left : at_once,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			failed(f, i++, errno);
			continue;
		}
		for (int end = n; end > 0; end--, i++)
			count_sent(&f->udp->counters, f->messages[i].n, f->messages[i].len);
	}
}

static void flush(struct udp *u, struct queue *q)
{
	struct flush f;

	if (q->n == 0)
		return;
	f.udp = u;
	f.queue = q;
	f.n_messages = 0;
	compose(&f);
	send_all(&f);
	q->n = 0;
}

void udp_flush(struct udp *u)
{
	flush(u, &u->urgent);
	flush(u, &u->normal);
}

void udp_queue(struct udp *u, const struct endpoint *to, bool is_urgent, struct span datagram)
{
	struct queue *q = is_urgent ? &u->urgent : &u->normal;

	if (u->why_off[UDP_OFFLOAD_BATCH] && u->why_off[UDP_OFFLOAD_GSO]) {
		(void)udp_send(u, to, datagram);
		return;
	}
	if (q->n == UDP_QUEUE_MAX)
		udp_flush(u);
	q->of[q->n++] = (struct outgoing){ .to = *to, .datagram = datagram };
}
