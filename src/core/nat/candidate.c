/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of candidates, and the message that carries one. */
#include "core/nat/candidate.h"

#include <errno.h>

#include "core/prefix/prefix.h"

#define VERSION 1

bool candidate_is_fit(const struct endpoint *e)
{
	return e->port != 0 && e->scope == 0 && !address_is_unroutable(e->ip);
}

bool candidates_add(struct candidates *c, enum candidate_kind kind, const struct endpoint *e)
{
	unsigned n_of_host = 0;

	if (c->n == CANDIDATES_MAX || !candidate_is_fit(e))
		return false;
	for (size_t i = 0; i < c->n; i++) {
		if (endpoint_equal(&c->list[i].at, e))
			return false;
		n_of_host += memcmp(c->list[i].at.ip, e->ip, 16) == 0;
	}
	if (n_of_host == CANDIDATES_OF_HOST_MAX)
		return false;
	c->list[c->n++] = (struct candidate){ .kind = kind, .at = *e };
	return true;
}

bool candidates_equal(const struct candidates *a, const struct candidates *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->list[i].kind != b->list[i].kind ||
		    !endpoint_equal(&a->list[i].at, &b->list[i].at))
			return false;
	return true;
}

const char *candidate_kind_name(enum candidate_kind kind)
{
	static const char *const names[CANDIDATE_N_KINDS] = { "own", "observed", "static" };

	return kind < CANDIDATE_N_KINDS ? names[kind] : "unknown";
}

const char *nat_mapping_name(enum nat_mapping m)
{
	static const char *const names[NAT_N_MAPPINGS] = { "unknown", "none", "mapped",
							   "endpoint-independent",
							   "endpoint-dependent" };

	return m < NAT_N_MAPPINGS ? names[m] : "unknown";
}

size_t nat_message_encode(const struct nat_message *m, uint8_t ret[NAT_MESSAGE_MAX])
{
	struct writer w = writer_of(ret, NAT_MESSAGE_MAX);

	write_u8(&w, VERSION);
	write_u8(&w, (uint8_t)m->type);
	write_u8(&w, (uint8_t)m->mapping);
	write_u8(&w, (uint8_t)m->at.n);
	write_u32(&w, m->boot_epoch);
	write_u32(&w, m->counter);
	write_u32(&w, m->call);
	for (size_t i = 0; i < m->at.n; i++) {
		write_u8(&w, (uint8_t)m->at.list[i].kind);
		write_bytes(&w, m->at.list[i].at.ip, 16);
		write_u16(&w, m->at.list[i].at.port);
	}
	return w.len;
}

int nat_message_decode(struct span body, struct nat_message *ret)
{
	struct reader r = reader_of(body);
	struct nat_message m = { 0 };
	uint8_t version = read_u8(&r);
	uint8_t type = read_u8(&r);
	uint8_t mapping = read_u8(&r);
	uint8_t n = read_u8(&r);

	m.boot_epoch = read_u32(&r);
	m.counter = read_u32(&r);
	m.call = read_u32(&r);
	if (r.overrun)
		return -EBADMSG;
	if (version != VERSION || type >= NAT_N_MESSAGES || mapping >= NAT_N_MAPPINGS ||
	    n > CANDIDATES_MAX || (type == NAT_TELL) != (m.call == 0))
		return -EPROTO;
	m.type = (enum nat_message_type)type;
	m.mapping = (enum nat_mapping)mapping;
	for (unsigned i = 0; i < n; i++) {
		struct endpoint e = { 0 };
		uint8_t kind = read_u8(&r);

		read_copy(&r, e.ip, sizeof(e.ip));
		e.port = read_u16(&r);
		if (kind >= CANDIDATE_N_KINDS)
			return r.overrun ? -EBADMSG : -EPROTO;
		if (!r.overrun)
			(void)candidates_add(&m.at, (enum candidate_kind)kind, &e);
	}
	if (r.overrun || r.left > 0)
		return -EBADMSG;
	*ret = m;
	return 0;
}
