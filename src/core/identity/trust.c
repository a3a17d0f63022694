/* SPDX-License-Identifier: Apache-2.0 */
/* Judges a chain of certificates: is its leaf an X.509-SVID of a node of our domain, now? */
#include "core/identity/identity.h"

const char *identity_fault_text(enum identity_fault fault)
{
	switch (fault) {
	case IDENTITY_OK:
		return "certificate is valid";
	case IDENTITY_UNPARSABLE:
		return "certificate cannot be parsed";
	case IDENTITY_NO_PATH:
		return "certificate was not issued by a root of the trust bundle";
	case IDENTITY_NOT_YET_VALID:
		return "certificate is not valid yet";
	case IDENTITY_EXPIRED:
		return "certificate has expired";
	case IDENTITY_IS_CA:
		return "certificate is that of an authority, not of a node";
	case IDENTITY_NAMES:
		return "certificate must name exactly one URI and nothing else";
	case IDENTITY_SPIFFE_ID:
		return "certificate names no SPIFFE ID of a node";
	case IDENTITY_WRONG_DOMAIN:
		return "certificate belongs to another trust domain";
	case IDENTITY_KEY:
		return "certificate does not hold an ML-DSA-65 key";
	case IDENTITY_KEY_USAGE:
		return "certificate's key usage must be digitalSignature and sign no CRLs";
	case IDENTITY_REVOKED:
		return "certificate has been revoked";
	}
	return "unknown fault";
}

/* X509-SVID sections 4.1 and 4.3: a leaf is no CA and cannot sign certificates or CRLs. */
static enum identity_fault judge_use(const struct cert *leaf, bool is_tls)
{
	if (leaf->is_ca || leaf->can_sign_certs)
		return IDENTITY_IS_CA;
	if (!leaf->has_key_usage || !leaf->can_sign || leaf->can_sign_crls)
		return IDENTITY_KEY_USAGE;
	return leaf->is_mldsa65 || (is_tls && leaf->is_p256) ? IDENTITY_OK : IDENTITY_KEY;
}

/* X509-SVID section 2: exactly one URI SAN, the SPIFFE ID. Names of other kinds, which the
 * standard permits, would be identities that nobody here checks: refused. */
static enum identity_fault judge_names(const struct trust *t, const struct cert *leaf,
				       struct peer_identity *ret)
{
	char domain[DOMAIN_MAX + 1];

	if (leaf->n_uris != 1 || leaf->n_other_names != 0)
		return IDENTITY_NAMES;
	if (spiffe_id_parse(leaf->uri, domain, ret->name) < 0)
		return IDENTITY_SPIFFE_ID;
	if (strcmp(domain, t->domain) != 0)
		return IDENTITY_WRONG_DOMAIN;
	memcpy(ret->spiffe_id, leaf->uri, strlen(leaf->uri) + 1);
	ret->node_id = node_id_of(t->ops, ret->spiffe_id);
	return ret->node_id != 0 ? IDENTITY_OK : IDENTITY_SPIFFE_ID;
}

/* RFC 5280 section 4.1.2.5 includes the second of notAfter; the library's path validation does
 * not. Here it does not either, so that it is called by its name and not "no path". */
static enum identity_fault judge_dates(const struct cert *leaf, int64_t unix_s)
{
	if (unix_s < leaf->not_before_s)
		return IDENTITY_NOT_YET_VALID;
	return unix_s >= leaf->not_after_s ? IDENTITY_EXPIRED : IDENTITY_OK;
}

static enum identity_fault judge_leaf(const struct trust *t, const struct cert *leaf,
				      int64_t unix_s, bool is_tls, struct peer_identity *ret)
{
	enum identity_fault fault = judge_use(leaf, is_tls);

	if (fault == IDENTITY_OK)
		fault = judge_names(t, leaf, ret);
	if (fault == IDENTITY_OK)
		fault = judge_dates(leaf, unix_s);
	return fault;
}

static bool all_parse(const struct crypto_ops *ops, const struct span *chain, size_t n,
		      struct cert *ret_leaf)
{
	size_t total = 0;

	if (n == 0 || n > CHAIN_CERTS_MAX)
		return false;
	for (size_t i = n; i > 0; i--) { /* the leaf last, so that it is what remains */
		total += chain[i - 1].len;
		if (total > CHAIN_LEN_MAX || ops->cert_read(chain[i - 1], ret_leaf) < 0)
			return false;
	}
	return true;
}

void trust_set_bundle(struct trust *t)
{
	t->ops->sha256(t->roots, t->n_roots, t->bundle);
}

static enum identity_fault verify_path(const struct trust *t, const struct span *chain,
				       size_t n_chain, int64_t unix_s, bool is_tls,
				       struct peer_identity *ret)
{
	struct peer_identity peer = { 0 };
	enum identity_fault fault;
	const char *reason;
	struct cert leaf;

	if (!all_parse(t->ops, chain, n_chain, &leaf))
		return IDENTITY_UNPARSABLE;
	fault = judge_leaf(t, &leaf, unix_s, is_tls, &peer);
	if (fault != IDENTITY_OK)
		return fault;
	if (t->ops->path_verify(chain, n_chain, t->roots, t->n_roots, unix_s, &reason) < 0)
		return IDENTITY_NO_PATH;
	if (leaf.is_mldsa65)
		memcpy(peer.pk, leaf.pk, sizeof(peer.pk));
	memcpy(peer.serial, leaf.serial, sizeof(peer.serial));
	peer.not_before_s = leaf.not_before_s;
	peer.not_after_s = leaf.not_after_s;
	memcpy(peer.bundle, t->bundle, sizeof(peer.bundle));
	chain_hash(t->ops, chain, n_chain, peer.chain_hash);
	*ret = peer;
	return IDENTITY_OK;
}

enum identity_fault trust_verify_path(const struct trust *t, const struct span *chain,
				      size_t n_chain, int64_t unix_s, struct peer_identity *ret)
{
	return verify_path(t, chain, n_chain, unix_s, false, ret);
}

enum identity_fault trust_recheck(const struct trust *t, const struct peer_identity *peer,
				  int64_t unix_s)
{
	char domain[DOMAIN_MAX + 1];
	char name[NODE_NAME_MAX + 1];

	if (memcmp(peer->bundle, t->bundle, sizeof(peer->bundle)) != 0)
		return IDENTITY_NO_PATH;
	if (spiffe_id_parse(peer->spiffe_id, domain, name) < 0 || strcmp(domain, t->domain) != 0)
		return IDENTITY_WRONG_DOMAIN;
	if (unix_s < peer->not_before_s)
		return IDENTITY_NOT_YET_VALID;
	if (unix_s >= peer->not_after_s)
		return IDENTITY_EXPIRED;
	return revocation_covers(&t->revoked, peer->node_id, peer->serial) ? IDENTITY_REVOKED
									   : IDENTITY_OK;
}

static enum identity_fault verify(const struct trust *t, const struct span *chain, size_t n_chain,
				  int64_t unix_s, bool is_tls, struct peer_identity *ret)
{
	struct peer_identity peer;
	enum identity_fault fault = verify_path(t, chain, n_chain, unix_s, is_tls, &peer);

	if (fault == IDENTITY_OK)
		fault = trust_recheck(t, &peer, unix_s);
	if (fault == IDENTITY_OK)
		*ret = peer;
	return fault;
}

enum identity_fault trust_verify(const struct trust *t, const struct span *chain, size_t n_chain,
				 int64_t unix_s, struct peer_identity *ret)
{
	return verify(t, chain, n_chain, unix_s, false, ret);
}

enum identity_fault trust_verify_tls(const struct trust *t, const struct span *chain,
				     size_t n_chain, int64_t unix_s, struct peer_identity *ret)
{
	return verify(t, chain, n_chain, unix_s, true, ret);
}
