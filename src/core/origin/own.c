/* SPDX-License-Identifier: Apache-2.0 */
/* Our own certificates: when another is needed, and what goes with our entry. */
#include <errno.h>
#include <stdlib.h>

#include "core/origin/state.h"

#define SPARE 64 /* seqnos left when the next one is made */

static bool covers(const struct own_certificate *own, uint32_t epoch, uint16_t seqno)
{
	return own->is_made && own->epoch == epoch &&
	       (uint16_t)(seqno - own->first_seqno) < ORIGIN_SEQNOS;
}

static const struct own_certificate *own_for(const struct origins *o, uint32_t epoch,
					     uint16_t seqno)
{
	for (unsigned i = 0; i < 2; i++)
		if (covers(&o->own[i], epoch, seqno))
			return &o->own[i];
	return NULL;
}

bool origins_wants_certificate(const struct origins *o)
{
	const struct own_certificate *newest = &o->own[0];

	if (!own_for(o, o->own_epoch, o->own_seqno))
		return true;
	/* The newest may begin beyond the present seqno: then there is no hurry. */
	return !((int16_t)(newest->first_seqno - o->own_seqno) > 0) &&
	       (uint16_t)(o->own_seqno - newest->first_seqno) >= ORIGIN_SEQNOS - SPARE;
}

size_t own_attributes(struct origins *o, uint32_t epoch, uint16_t seqno,
		      uint8_t ret[ROUTE_PROOF_MAX])
{
	const struct own_certificate *own;
	uint8_t element[ORIGIN_HASH_LEN], path[ORIGIN_PATH_LEN];
	uint8_t names[2 * ORIGIN_HASH_LEN];
	struct place p;
	uint8_t at;

	o->own_epoch = epoch;
	o->own_seqno = seqno;
	own = own_for(o, epoch, seqno);
	if (!own)
		return 0;
	p = (struct place){ o->config.self, epoch, own->first_seqno };
	at = (uint8_t)(seqno - own->first_seqno);
	proof_first_element(o->config.ops, own->secret, at, element);
	proof_path(o->config.ops, &p, at, own->leaves, path);
	memcpy(names, own->name, ORIGIN_HASH_LEN);
	if (own == &o->own[1]) /* so that all have it before it is used */
		memcpy(names + ORIGIN_HASH_LEN, o->own[0].name, ORIGIN_HASH_LEN);
	return proof_write(
		&(struct proof){ .path = path,
				 .name = names,
				 .next_name = own == &o->own[1] ? names + ORIGIN_HASH_LEN : NULL },
		element, ret);
}

/* Among those of others: neighbours fetch it as they do those. */
static int keep(struct origins *o, const struct own_certificate *own, struct span signed_part,
		struct span signature, uint64_t now_us)
{
	size_t total = signed_part.len + 2 + signature.len;
	struct origin *self = origin_make(o, o->config.self);
	struct origin_certificate read;
	struct certificate *c;
	struct writer w;

	if (!self)
		return -ENOMEM;
	if (self->candidate)
		certificate_free(o, self->candidate);
	make_room(o, total);
	c = certificate_make(o, self, own->name);
	if (!c)
		return -ENOMEM;
	self->candidate = c;
	c->bytes = malloc(total);
	if (!c->bytes)
		return -ENOMEM;
	c->total = c->have = total;
	o->n_bytes += total;
	w = writer_of(c->bytes, total);
	write_span(&w, signed_part);
	write_u16(&w, (uint16_t)signature.len);
	write_span(&w, signature);
	if (origin_certificate_decode(SPAN(c->bytes, total), &read) < 0)
		return -EINVAL;
	c->verified_us = now_us;
	certificate_install(o, c, &read);
	return 0;
}

int origins_end_certificate(struct origins *o, struct span signed_part, struct span signature,
			    uint64_t now_us)
{
	struct own_certificate made;
	uint8_t len[2], full[SHA256_LEN];
	struct span parts[3] = { signed_part, SPAN_OF(len), signature };
	int r;

	if (!o->making)
		return -EINVAL;
	store_u16(len, (uint16_t)signature.len);
	o->config.ops->sha256(parts, 3, full);
	memcpy(o->making->name, full, ORIGIN_HASH_LEN);
	o->making->is_made = true;
	o->making->made_us = now_us;
	made = o->own[1];
	o->own[1] = o->own[0];
	o->own[0] = made;
	bytes_wipe(&made, sizeof(made));
	o->making = NULL;
	o->counters.own_certificates++;
	r = keep(o, &o->own[0], signed_part, signature, now_us);
	if (r < 0)
		return r;
	want_review(o, origin_find(o, o->config.self));
	return 0;
}
