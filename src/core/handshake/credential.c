/* SPDX-License-Identifier: Apache-2.0 */
/* What both roles do with certificates and with fragments. */
#include <errno.h>

#include "core/handshake/internal.h"

/* A joiner trusts one root by its hash, which the chain must end with, and one domain. */
static enum identity_fault check_invitation(const struct crypto_ops *ops,
					    const struct hs_join *join, const struct span *chain,
					    size_t n)
{
	uint8_t hash[SHA256_LEN];

	if (n < 2)
		return IDENTITY_NO_PATH;
	ops->sha256(&chain[n - 1], 1, hash);
	return bytes_equal_ct(hash, join->ca, SHA256_LEN) ? IDENTITY_OK : IDENTITY_NO_PATH;
}

static bool is_in_domain(const struct peer_identity *peer, const char *wanted)
{
	char domain[DOMAIN_MAX + 1];
	char name[NODE_NAME_MAX + 1];

	return spiffe_id_parse(peer->spiffe_id, domain, name) == 0 && strcmp(domain, wanted) == 0;
}

static enum identity_fault verify_anew(struct hs_job *job, const struct span *chain, size_t n,
				       struct verified *ret)
{
	const struct hs_join *join = job->is_join ? &job->join : NULL;
	enum identity_fault fault = IDENTITY_OK;

	if (join)
		fault = check_invitation(job->ops, join, chain, n);
	if (fault == IDENTITY_OK)
		fault = job->judge->verify(job->judge_arg, chain, n, job->unix_s, &ret->peer);
	if (fault == IDENTITY_OK && join && !is_in_domain(&ret->peer, join->domain))
		fault = IDENTITY_WRONG_DOMAIN;
	return fault;
}

int job_verify_chain(struct hs_job *job)
{
	struct verified *v = &job->verified;
	bool is_by_hash = job->payload.field == CHAIN_FIELD_IS_HASH;
	struct span chain[CHAIN_CERTS_MAX];
	bool is_known;
	size_t n;

	*v = (struct verified){ .encoded = job->payload.bytes, .verified_us = job->now_us };
	if (is_by_hash)
		v->encoded = SPAN(job->known, job->known_len);
	if (is_by_hash &&
	    (!job->known || memcmp(job->payload.bytes.at, job->known_hash, SHA256_LEN) != 0)) {
		v->is_unknown_hash = true;
		return -EKEYREJECTED;
	}
	if (chain_decode(v->encoded, chain, &n) < 0)
		return -EBADMSG;
	if (is_by_hash)
		memcpy(v->hash, job->known_hash, SHA256_LEN);
	else
		chain_hash(job->ops, chain, n, v->hash);
	is_known = job->known && memcmp(v->hash, job->known_hash, SHA256_LEN) == 0;
	if (is_known && job->known_is_fresh) {
		v->peer = job->known_peer;
		v->verified_us = job->known_us;
		return 0;
	}
	v->fault = verify_anew(job, chain, n, v);
	return v->fault == IDENTITY_OK ? 0 : -EKEYREJECTED;
}

int recheck_credential(struct handshakes *h, struct verified *v)
{
	v->fault = h->judge->recheck(h->judge_arg, &v->peer);
	if (v->fault != IDENTITY_OK)
		return -EKEYREJECTED;
	if (h->has_identity && (v->peer.node_id == h->identity.node_id ||
				strcmp(v->peer.spiffe_id, h->identity.spiffe_id) == 0))
		return -EPROTO; /* ourselves */
	return 0;
}

int own_credential(struct handshakes *h, bool with_root, bool by_hash,
		   uint8_t buffer[CHAIN_FIELD_ROOM], struct credential *ret)
{
	struct span chain[CHAIN_CERTS_MAX];
	size_t n = h->identity.n_chain;
	int r;

	*ret = (struct credential){ .field = CHAIN_FIELD_IS_HASH };
	if (by_hash) {
		memcpy(ret->hash, h->own_hash, SHA256_LEN);
		memcpy(buffer, ret->hash, SHA256_LEN);
		ret->bytes = SPAN(buffer, SHA256_LEN);
		return 0;
	}
	if (n + with_root > CHAIN_CERTS_MAX)
		return -ENOBUFS;
	memcpy(chain, h->identity.chain, n * sizeof(chain[0]));
	if (with_root)
		chain[n++] = h->identity.root;
	r = chain_encode(chain, n, buffer, CHAIN_FIELD_ROOM);
	if (r < 0)
		return r;
	if (with_root || !h->has_identity)
		chain_hash(h->ops, chain, n, ret->hash);
	else
		memcpy(ret->hash, h->own_hash, SHA256_LEN);
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

void handshake_message_lost(struct handshakes *h, struct handshake *hs, uint64_t now_us)
{
	incoming_done(&hs->in);
	hs->ack_us = now_us + ACK_DELAY_US; /* we hold nothing: send it again */
	h->deadline_is_known = false;
}

void handshake_bad_message(struct handshakes *h, struct handshake *hs, uint64_t now_us)
{
	struct attempt *at = hs->attempt;

	h->counters.messages_failed++;
	if (++hs->n_failures < FAILURES_MAX) {
		handshake_message_lost(h, hs, now_us);
		return;
	}
	if (at)
		report_failure(h, hs, at->has_failure ? at->failure : HS_FAIL_NO_COMPLETION,
			       at->fault);
	handshake_free(h, hs);
}
