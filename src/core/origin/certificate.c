/* SPDX-License-Identifier: Apache-2.0 */
/* An epoch certificate as bytes. */
#include <errno.h>

#include "core/origin/state.h"

#define VERSION 1

int origin_certificate_decode(struct span bytes, struct origin_certificate *ret)
{
	struct reader r = reader_of(bytes);
	struct origin_certificate c = { 0 };
	uint8_t version = read_u8(&r);

	c.node_id = read_u64(&r);
	c.epoch = read_u32(&r);
	c.first_seqno = read_u16(&r);
	c.not_after_s = (int64_t)read_u64(&r);
	c.roots = read_span(&r, ORIGIN_ROOTS_LEN);
	c.chain = read_span(&r, read_u16(&r));
	if (!r.overrun)
		c.signed_part = SPAN(bytes.at, bytes.len - r.left);
	c.signature = read_span(&r, read_u16(&r));
	if (r.overrun || r.left > 0 || bytes.len > ORIGIN_CERTIFICATE_MAX)
		return -EBADMSG;
	if (version != VERSION || c.node_id == 0 || c.not_after_s < 0 || c.chain.len == 0 ||
	    c.chain.len > ORIGIN_CHAIN_MAX || c.signature.len == 0)
		return -EPROTO;
	*ret = c;
	return 0;
}

/* ---- ours: the part to sign ---- */

static void write_roots(const struct crypto_ops *ops, const struct place *p,
			struct own_certificate *own, struct writer *w)
{
	uint8_t path[ORIGIN_PATH_LEN], root[ORIGIN_HASH_LEN];

	for (unsigned i = 0; i < ORIGIN_SEQNOS; i++) {
		uint8_t element[ORIGIN_HASH_LEN];

		proof_first_element(ops, own->secret, (uint8_t)i, element);
		proof_advance(ops, p, (uint8_t)i, 0, ORIGIN_STEPS, element);
		proof_leaf(ops, p, (uint8_t)i, element, own->leaves[i]);
	}
	for (unsigned i = 0; i < ORIGIN_SEQNOS; i += ORIGIN_LEAVES) {
		proof_path(ops, p, (uint8_t)i, own->leaves, path);
		proof_root(ops, p, (uint8_t)i, own->leaves[i], path, root);
		write_bytes(w, root, sizeof(root));
	}
}

int origins_begin_certificate(struct origins *o, struct span chain, int64_t unix_s, uint8_t *ret,
			      size_t ret_size)
{
	struct own_certificate *own = &o->own[1]; /* the older one is given up */
	struct writer w = writer_of(ret, ret_size);
	struct place p = { o->config.self, o->own_epoch, o->own_seqno };

	if (chain.len == 0 || chain.len > ORIGIN_CHAIN_MAX)
		return -EINVAL;
	/* Right behind the one before, unless it is used up or of another epoch. */
	if (o->own[0].is_made && o->own[0].epoch == o->own_epoch &&
	    (uint16_t)(o->own_seqno - o->own[0].first_seqno) < ORIGIN_SEQNOS)
		p.first_seqno = (uint16_t)(o->own[0].first_seqno + ORIGIN_SEQNOS);
	*own = (struct own_certificate){ .epoch = p.epoch, .first_seqno = p.first_seqno };
	entropy_fill(&o->config.entropy, own->secret, sizeof(own->secret));
	write_u8(&w, VERSION);
	write_u64(&w, p.node_id);
	write_u32(&w, p.epoch);
	write_u16(&w, p.first_seqno);
	write_u64(&w, (uint64_t)(unix_s + ORIGIN_VALID_S));
	write_roots(o->config.ops, &p, own, &w);
	write_u16(&w, (uint16_t)chain.len);
	write_span(&w, chain);
	o->making = own;
	return w.overrun ? -ENOBUFS : (int)w.len;
}
