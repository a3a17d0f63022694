/* SPDX-License-Identifier: Apache-2.0 */
/* What both roles do with certificates and with fragments. */
#include <errno.h>

#include "core/handshake/internal.h"

/* A joiner trusts one root by its hash, which the chain must end with, and one domain. */
static enum identity_fault check_invitation(struct handshakes *h, const struct hs_join *join,
					    const struct span *chain, size_t n)
{
	uint8_t hash[SHA256_LEN];

	if (n < 2)
		return IDENTITY_NO_PATH;
	h->ops->sha256(&chain[n - 1], 1, hash);
	return bytes_equal_ct(hash, join->ca, SHA256_LEN) ? IDENTITY_OK : IDENTITY_NO_PATH;
}

static bool is_in_domain(const struct peer_identity *peer, const char *wanted)
{
	char domain[DOMAIN_MAX + 1];
	char name[NODE_NAME_MAX + 1];

	return spiffe_id_parse(peer->spiffe_id, domain, name) == 0 && strcmp(domain, wanted) == 0;
}

static bool is_ourselves(const struct handshakes *h, const struct peer_identity *peer)
{
	return h->has_identity && (peer->node_id == h->identity.node_id ||
				   strcmp(peer->spiffe_id, h->identity.spiffe_id) == 0);
}

/* A chain held by its hash, or one that came in full. False: its verification does not stand. */
static bool is_verified_before(const struct cached_chain *c, uint64_t now_us, struct verified *ret)
{
	if (!c || !chain_is_fresh(c, now_us))
		return false;
	ret->peer = c->peer;
	ret->verified_us = c->verified_us;
	return true;
}

int verify_credential(struct handshakes *h, const struct payload *p, const struct hs_join *join,
		      uint64_t now_us, struct verified *ret)
{
	const struct cached_chain *c = NULL;
	struct span chain[CHAIN_CERTS_MAX];
	size_t n;

	*ret = (struct verified){ .encoded = p->bytes, .verified_us = now_us };
	if (p->field == CHAIN_FIELD_IS_HASH) {
		c = chain_by_hash(h, p->bytes.at);
		if (!c) {
			ret->is_unknown_hash = true;
			return -EKEYREJECTED;
		}
		ret->encoded = SPAN(c->bytes, c->len);
		memcpy(ret->hash, c->hash, SHA256_LEN);
	}
	if (chain_decode(ret->encoded, chain, &n) < 0)
		return -EBADMSG;
	if (!c) {
		chain_hash(h->ops, chain, n, ret->hash);
		c = join ? NULL : chain_by_hash(h, ret->hash);
	}
	if (join)
		ret->fault = check_invitation(h, join, chain, n);
	if (ret->fault == IDENTITY_OK && !is_verified_before(c, now_us, ret))
		ret->fault = h->judge->verify(h->judge_arg, chain, n,
					      h->judge->unix_s(h->judge_arg), &ret->peer);
	if (ret->fault == IDENTITY_OK)
		ret->fault = h->judge->recheck(h->judge_arg, &ret->peer);
	if (ret->fault == IDENTITY_OK && join && !is_in_domain(&ret->peer, join->domain))
		ret->fault = IDENTITY_WRONG_DOMAIN;
	if (ret->fault != IDENTITY_OK)
		return -EKEYREJECTED;
	return is_ourselves(h, &ret->peer) ? -EPROTO : 0;
}

int own_credential(struct handshakes *h, bool with_root, bool by_hash,
		   uint8_t buffer[CHAIN_FIELD_ROOM], struct credential *ret)
{
	struct span chain[CHAIN_CERTS_MAX];
	size_t n = h->identity.n_chain;
	int r;

	if (n + with_root > CHAIN_CERTS_MAX)
		return -ENOBUFS;
	memcpy(chain, h->identity.chain, n * sizeof(chain[0]));
	if (with_root)
		chain[n++] = h->identity.root;
	*ret = (struct credential){ .field = CHAIN_FIELD_IS_HASH };
	chain_hash(h->ops, chain, n, ret->hash);
	if (by_hash) {
		memcpy(buffer, ret->hash, SHA256_LEN);
		ret->bytes = SPAN(buffer, SHA256_LEN);
		return 0;
	}
	r = chain_encode(chain, n, buffer, CHAIN_FIELD_ROOM);
	if (r < 0)
		return r;
	ret->field = (uint16_t)r;
	ret->bytes = SPAN(buffer, (size_t)r);
	return 0;
}

bool take_fragment(struct handshakes *h, struct handshake *hs, const struct wire_handshake *w,
		   uint64_t now_us)
{
	switch (incoming_add(&hs->in, w, path_body_size(&hs->path), now_us)) {
	case FRAGMENT_BAD:
		h->counters.fragments_dropped++;
		return false;
	case FRAGMENT_SEEN: /* our acks do not arrive: one more */
		if (hs->ack_us == NEVER_US)
			hs->ack_us = now_us + ACK_DELAY_US;
		break;
	case FRAGMENT_NEW:
		hs->ack_us = now_us + ACK_DELAY_US;
		break;
	}
	hs->in_len = w->message_len;
	h->deadline_is_known = false;
	return incoming_is_complete(&hs->in);
}

void handshake_bad_message(struct handshakes *h, struct handshake *hs, uint64_t now_us)
{
	struct attempt *at = hs->attempt;

	h->counters.messages_failed++;
	incoming_done(&hs->in);
	if (++hs->n_failures < FAILURES_MAX) {
		hs->ack_us = now_us + ACK_DELAY_US; /* we hold nothing: send it again */
		h->deadline_is_known = false;
		return;
	}
	if (at)
		report_failure(h, hs, at->has_failure ? at->failure : HS_FAIL_NO_COMPLETION,
			       at->fault);
	handshake_free(h, hs);
}
