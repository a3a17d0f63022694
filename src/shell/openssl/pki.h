/* SPDX-License-Identifier: Apache-2.0 */
/* pki.h - the trust domain's certificates: roots, requests, X.509-SVIDs (SPIFFE), and PEM.
 *
 * An authority has two roots, one per kind of key, and a node two SVIDs; each function below
 * works on one kind at a time, the one of the key it is given. A trust bundle is a list of
 * root DERs and may hold several generations of both kinds: see path_verify in crypto.h.
 * Whether an ID or a name is well-formed is for core/identity to say; here they only have to
 * fit. Times are unix seconds and parameters; serial numbers come from the entropy given.
 *
 * Common errors: -EINVAL a text that does not fit a certificate, -EIO the library failed. */
#pragma once

#include "base/rng.h"
#include "shell/openssl/crypto_openssl.h"

#define ROOT_LIFETIME_S (INT64_C(3652) * 86400) /* ten years */
#define SVID_LIFETIME_S (INT64_C(30) * 86400)
#define PKI_BACKDATE_S 300 /* notBefore lies this far back, for clocks that are slow */
#define PKI_NAME_MAX 64	   /* ub-common-name, RFC 5280 appendix A.1 */
#define PKI_DOMAIN_MAX 247 /* so that spiffe://domain fits struct cert */

/* What fits a chain and a bundle; path_verify refuses more. */
#define PKI_CHAIN_MAX 4
#define PKI_ROOTS_MAX 32

/* A self-signed root: CN the domain (its first 64 characters), URI SAN spiffe://<domain>,
 * CA:TRUE with pathlen 0, keyCertSign and cRLSign. */
int pki_make_root(const struct signing_key *key, const char *domain, int64_t now_s,
		  const struct entropy *entropy, struct buffer *ret);

/* A certificate request with CN = name, signed by the key it is for. */
int pki_make_csr(const struct signing_key *key, const char *name, struct buffer *ret);

struct csr {
	enum key_kind kind;
	char name[PKI_NAME_MAX + 1]; /* the CN asked for; "" for none */
};

/* One DER request, nothing behind it. -EBADMSG unparsable, -EPROTO a key that is neither
 * ML-DSA-65 nor P-256, or another signature algorithm, -EKEYREJECTED its signature is wrong:
 * whoever sent it does not hold the key. */
int pki_csr_read(struct span der, struct csr *ret);

struct svid_terms {
	const char *spiffe_id; /* becomes the only URI SAN, as it is */
	const char *name;      /* becomes the CN */
	int64_t now_s;
	int64_t lifetime_s; /* SVID_LIFETIME_S; cut at the root's own end */
};

/* Checks the request as pki_csr_read() does and signs an X.509-SVID for its key; nothing else
 * of the request is taken over. -EPROTO also when request, root and authority's key are not
 * of one kind, -EKEYREJECTED also when the key is not the root's or the root is not valid at
 * now_s. */
int pki_issue_svid(const struct signing_key *authority, struct span root, struct span csr,
		   const struct svid_terms *terms, const struct entropy *entropy,
		   struct buffer *ret);

/* Whether the bytes of ML-DSA-65's identifier occur in it: where not, it is certainly no
 * certificate of such a key. Costs nothing and proves nothing. */
bool pki_cert_names_mldsa65(struct span der);

/* Does the certificate hold this key's public half? */
bool pki_cert_is_for(struct span cert, const struct signing_key *key);

/* PEM files of certificates. From: the blocks in order, other text skipped; the buffers are
 * the caller's. -EBADMSG for a block that is no certificate or none at all, -ENOBUFS for
 * more than max; nothing is left behind then. */
int pki_certs_to_pem(const struct span *certs, size_t n, struct buffer *ret);
int pki_certs_from_pem(struct span pem, struct buffer *ret, size_t max, size_t *ret_n);
