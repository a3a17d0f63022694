/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes and decodes the authority's answer. */
#include "core/node/membership.h"

#include <errno.h>

#include "base/cleanup.h"

static void write_text(struct writer *w, const char *text)
{
	write_u16(w, (uint16_t)strlen(text));
	write_bytes(w, (const uint8_t *)text, strlen(text));
}

static void write_ders(struct writer *w, const struct span *ders, size_t n)
{
	write_u8(w, (uint8_t)n);
	for (size_t i = 0; i < n; i++) {
		write_u16(w, (uint16_t)ders[i].len);
		write_span(w, ders[i]);
	}
}

int membership_encode(const struct membership *m, uint8_t *ret, size_t ret_size)
{
	struct writer w = writer_of(ret, ret_size);

	write_u8(&w, (uint8_t)m->status);
	if (m->status == MEMBERSHIP_GRANTED) {
		write_text(&w, m->spiffe_id);
		write_text(&w, m->authority);
		write_ders(&w, m->roots, m->n_roots);
		write_ders(&w, m->chain, m->n_chain);
		write_ders(&w, m->chain_p256, m->n_chain_p256);
		write_u8(&w, (uint8_t)m->n_keys);
		for (size_t i = 0; i < m->n_keys; i++) {
			write_u64(&w, m->keys[i].generation);
			write_bytes(&w, m->keys[i].key, NETWORK_KEY_LEN);
			write_bytes(&w, m->keys[i].signature, MLDSA65_SIG_LEN);
		}
		write_u32(&w, (uint32_t)m->revocations.len);
		write_span(&w, m->revocations);
	}
	return w.overrun ? -ENOBUFS : (int)w.len;
}

static int read_text(struct reader *r, char ret[SPIFFE_ID_SIZE])
{
	struct span text = read_span(r, read_u16(r));

	if (r->overrun || text.len >= SPIFFE_ID_SIZE || memchr(text.at, 0, text.len))
		return -EBADMSG;
	memcpy(ret, text.at, text.len);
	ret[text.len] = '\0';
	return 0;
}

static int read_ders(struct reader *r, struct span *ret, size_t max, size_t *ret_n)
{
	size_t n = read_u8(r);

	if (n > max)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		ret[i] = read_span(r, read_u16(r));
		if (r->overrun || ret[i].len == 0)
			return -EBADMSG;
	}
	*ret_n = n;
	return 0;
}

static int read_keys(struct reader *r, struct membership *m)
{
	m->n_keys = read_u8(r);
	if (m->n_keys == 0 || m->n_keys > NODE_NETWORK_KEYS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < m->n_keys; i++) {
		m->keys[i].generation = read_u64(r);
		read_copy(r, m->keys[i].key, NETWORK_KEY_LEN);
		read_copy(r, m->keys[i].signature, MLDSA65_SIG_LEN);
	}
	return r->overrun ? -EBADMSG : 0;
}

static int read_granted(struct reader *r, struct membership *m)
{
	char domain[DOMAIN_MAX + 1], name[NODE_NAME_MAX + 1];

	if (read_text(r, m->spiffe_id) < 0 || read_text(r, m->authority) < 0 ||
	    read_ders(r, m->roots, MEMBERSHIP_ROOTS_MAX, &m->n_roots) < 0 ||
	    read_ders(r, m->chain, CHAIN_CERTS_MAX, &m->n_chain) < 0 ||
	    read_ders(r, m->chain_p256, CHAIN_CERTS_MAX, &m->n_chain_p256) < 0 ||
	    read_keys(r, m) < 0)
		return -EBADMSG;
	m->revocations = read_span(r, read_u32(r));
	/* it is shown to people and written to the joiner's configuration */
	if (m->n_roots == 0 || m->n_chain == 0 || spiffe_id_parse(m->authority, domain, name) < 0)
		return -EBADMSG;
	return 0;
}

int membership_decode(struct span bytes, struct membership *ret)
{
	struct reader r = reader_of(bytes);
	struct membership m = { 0 };
	uint8_t status = read_u8(&r);
	int e = 0;

	if (r.overrun || status >= MEMBERSHIP_N_STATUSES)
		return -EBADMSG;
	m.status = (enum membership_status)status;
	if (m.status == MEMBERSHIP_GRANTED)
		e = read_granted(&r, &m);
	if (r.overrun || r.left > 0)
		e = -EBADMSG;
	if (e == 0)
		*ret = m;
	bytes_wipe(m.keys, sizeof(m.keys)); /* also where something behind them was wrong */
	return e;
}

const char *membership_status_text(enum membership_status status)
{
	static const char *const texts[] = {
		[MEMBERSHIP_GRANTED] = "admitted",
		[MEMBERSHIP_TOKEN_UNKNOWN] = "the authority does not know this token; ask for a "
					     "new one: x0 invite",
		[MEMBERSHIP_TOKEN_EXPIRED] = "the token has expired; ask for a new one: x0 invite",
		[MEMBERSHIP_TOKEN_USED_UP] = "the token has been used up; ask for a new one: "
					     "x0 invite",
		[MEMBERSHIP_NAME_TAKEN] = "another node has this name; choose one: "
					  "x0 join --name NAME ...",
		[MEMBERSHIP_NAME_INVALID] = "this is no name for a node (a-z, 0-9 and - . _ "
					    "inside); choose one: x0 join --name NAME ...",
		[MEMBERSHIP_DENIED] = "the authority's policy does not admit this node; see there: "
				      "x0 policy explain",
		[MEMBERSHIP_INTERNAL] = "the authority could not keep or sign the request; see its "
					"log there",
		[MEMBERSHIP_REVOKED] = "this identity has been revoked; ask for a new invitation: "
				       "x0 invite",
		[MEMBERSHIP_LOCKED] = "the authority's key is locked by its passphrase; have it "
				      "unlocked there (x0 key unlock), then do this again",
	};

	return (size_t)status < N_ELEMENTS(texts) ? texts[status] : "an unknown answer";
}
