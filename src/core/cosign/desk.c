/* SPDX-License-Identifier: Apache-2.0 */
/* To whom the own checkpoint is offered and when; how often one is listened to. */
#include "core/cosign/cosign.h"

#define MINUTE_US UINT64_C(60000000)

struct cosign_peer *cosign_desk_find(struct cosign_desk *d, uint64_t id)
{
	for (size_t i = 0; i < d->n_peers; i++)
		if (d->peers[i].id == id)
			return &d->peers[i];
	return NULL;
}

static struct cosign_peer *place_for(struct cosign_desk *d)
{
	if (d->n_peers < COSIGN_PEERS_MAX)
		return &d->peers[d->n_peers++];
	for (size_t i = 0; i < d->n_peers; i++)
		if (!d->peers[i].is_up)
			return &d->peers[i];
	return NULL;
}

static struct cosign_peer *make(struct cosign_desk *d, uint64_t id)
{
	struct cosign_peer *p = cosign_desk_find(d, id);

	if (p)
		return p;
	p = place_for(d);
	if (p)
		*p = (struct cosign_peer){ .id = id };
	return p;
}

void cosign_desk_link(struct cosign_desk *d, uint64_t id, bool is_up, uint64_t now_us)
{
	struct cosign_peer *p = is_up ? make(d, id) : cosign_desk_find(d, id);

	if (!p || p->is_up == is_up)
		return;
	p->is_up = is_up;
	p->is_new = is_up; /* it may know more than is here: a ledger put back to an older state */
	p->offer_us = now_us; /* what was under way is lost with the link */
	p->n_asks = 0;
}

void cosign_desk_known(struct cosign_desk *d, uint64_t id, uint64_t size, uint64_t unix_s)
{
	struct cosign_peer *p = make(d, id);

	if (!p)
		return;
	p->from_size = p->signed_size = size;
	p->signed_unix_s = unix_s;
}

bool cosign_desk_next(struct cosign_desk *d, uint64_t now_us, struct cosign_peer *ret)
{
	for (size_t i = 0; i < d->n_peers; i++) {
		struct cosign_peer *p = &d->peers[i];

		if (!p->is_up || now_us < p->offer_us || d->size == 0 ||
		    (d->size <= p->signed_size && p->n_asks == 0 && !p->is_new))
			continue;
		p->offer_us = now_us + COSIGN_RETRY_US;
		*ret = *p;
		return true;
	}
	return false;
}

bool cosign_desk_admits(struct cosign_desk *d, uint64_t id, uint64_t now_us)
{
	struct cosign_peer *p = cosign_desk_find(d, id);

	if (p && now_us - p->minute_us >= MINUTE_US) {
		p->minute_us = now_us;
		p->n_messages = 0;
	}
	if (p && p->n_messages < COSIGN_PER_MINUTE) {
		p->n_messages++;
		return true;
	}
	d->n_left_out++;
	return false;
}

/* It asks for a proof from there; of more than there is there is none. */
static void asked(struct cosign_desk *d, struct cosign_peer *p, uint64_t size, uint64_t now_us)
{
	if (size > d->size || p->n_asks >= COSIGN_ASKS_MAX) {
		p->n_asks = 0;
		return;
	}
	p->from_size = size;
	p->n_asks++;
	p->offer_us = now_us;
}

void cosign_desk_answered(struct cosign_desk *d, uint64_t id, const struct cosign_message *m,
			  uint64_t unix_s, uint64_t now_us)
{
	struct cosign_peer *p = cosign_desk_find(d, id);

	if (!p)
		return;
	if (m->type == COSIGN_HAVE) {
		asked(d, p, m->size, now_us);
		return;
	}
	p->n_asks = 0;
	p->is_new = false;
	p->refusal = m->why;
	p->offer_us = m->type == COSIGN_REFUSED ? now_us + COSIGN_REFUSED_US : now_us;
	if (m->type != COSIGN_SIGNED)
		return;
	p->from_size = p->signed_size = m->size;
	p->signed_unix_s = unix_s;
}

uint64_t cosign_desk_tell(struct cosign_desk *d, uint64_t except)
{
	for (size_t i = 1; i <= d->n_peers; i++) {
		const struct cosign_peer *p = &d->peers[(d->told + i) % d->n_peers];

		if (!p->is_up || p->id == except)
			continue;
		d->told = (d->told + i) % d->n_peers;
		return p->id;
	}
	return 0;
}
