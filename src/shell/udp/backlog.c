/* SPDX-License-Identifier: Apache-2.0 */
/* What waits, and whose turn it is: deficit round robin (Shreedhar and Varghese, 1995) in which the
 * class before goes first for as long as it has credit, and control always. */
#include "shell/udp/backlog.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Shares of 4, 2 and 1. A turn of all is 57 KB: the most that critical waits while it keeps to its
 * share is the 25 KB of the others. */
static const int quanta[UDP_N_CLASSES] = {
	[UDP_CRITICAL] = 32 << 10,
	[UDP_INTERACTIVE] = 16 << 10,
	[UDP_BULK] = 8 << 10,
};

int backlog_init(struct backlog *b)
{
	struct held *all = malloc((size_t)UDP_N_CLASSES * UDP_BACKLOG_MAX * sizeof(*all));

	if (!all)
		return -ENOMEM;
	*b = (struct backlog){ 0 };
	for (unsigned i = 0; i < UDP_N_CLASSES; i++) {
		b->classes[i].of = all + (size_t)i * UDP_BACKLOG_MAX;
		b->classes[i].credit = quanta[i];
	}
	return 0;
}

void backlog_done(struct backlog *b)
{
	free(b->classes[0].of);
}

int backlog_push(struct backlog *b, enum udp_class class, const struct endpoint *to,
		 uint8_t traffic_class, struct span datagram)
{
	unsigned at = (b->classes[class].first + b->classes[class].n) % UDP_BACKLOG_MAX;
	struct held *h = &b->classes[class].of[at];

	if (b->classes[class].n == UDP_BACKLOG_MAX || datagram.len > sizeof(h->bytes))
		return -ENOBUFS;
	h->to = *to;
	h->traffic_class = traffic_class;
	h->len = (uint16_t)datagram.len;
	memcpy(h->bytes, datagram.at, datagram.len);
	b->classes[class].n++;
	b->n++;
	return 0;
}

enum udp_class backlog_next(struct backlog *b)
{
	assert(b->n > 0);
	if (b->classes[UDP_CONTROL].n > 0)
		return UDP_CONTROL;
	for (;;) {
		for (unsigned i = UDP_CRITICAL; i < UDP_N_CLASSES; i++)
			if (b->classes[i].n > 0 && b->classes[i].credit > 0)
				return (enum udp_class)i;
		for (unsigned i = UDP_CRITICAL; i < UDP_N_CLASSES; i++)
			if (b->classes[i].n > 0)
				b->classes[i].credit += quanta[i];
	}
}

const struct held *backlog_at(const struct backlog *b, enum udp_class class, unsigned i)
{
	return &b->classes[class].of[(b->classes[class].first + i) % UDP_BACKLOG_MAX];
}

void backlog_pop(struct backlog *b, enum udp_class class, unsigned n)
{
	assert(n <= b->classes[class].n);
	for (unsigned i = 0; i < n; i++)
		b->classes[class].credit -= backlog_at(b, class, i)->len;
	b->classes[class].first = (b->classes[class].first + n) % UDP_BACKLOG_MAX;
	b->classes[class].n -= n;
	b->n -= n;
	if (b->classes[class].n == 0) /* who has nothing to send saves nothing up, nor owes */
		b->classes[class].credit = quanta[class];
}
