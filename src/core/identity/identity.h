/* SPDX-License-Identifier: Apache-2.0 */
/* identity.h - who a node is: SPIFFE IDs, what follows from them, which certificates prove
 * them, and what has been revoked.
 *
 * SPIFFE ID: spiffe://<domain>/node/<name> (SPIFFE-ID, X509-SVID standards). The node id is
 * the first 8 bytes of SHA-256(SPIFFE ID), never 0; the overlay address is
 * fd | first 5 bytes of SHA-256(domain) | 0000 | node id. See docs/identity.md. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "core/crypto/crypto.h"

#define DOMAIN_MAX 128	   /* characters of a trust domain: a-z 0-9 . - _ */
#define NODE_NAME_MAX 63   /* a-z 0-9 - . _, beginning and ending with a letter or digit */
#define SPIFFE_ID_SIZE 256 /* text and NUL */
#define OVERLAY_ADDRESS_LEN 16
#define OVERLAY_PREFIX_BITS 48 /* fd and 5 bytes of the domain's hash: one domain's nodes */
#define SERIAL_LEN 20
#define CHAIN_CERTS_MAX 4
#define CHAIN_LEN_MAX 11520 /* bytes of DER in all, so that M2 and M3 stay under 16,384 */
#define BUNDLE_ROOTS_MAX 8  /* of each kind: generations while roots change */

bool domain_is_valid(const char *domain);
bool node_name_is_valid(const char *name);

/* -EINVAL for a bad domain or name. */
int spiffe_id_format(const char *domain, const char *name, char ret[SPIFFE_ID_SIZE]);
/* Strict: scheme and "/node/" literally, no escapes, no empty part, nothing behind. -EINVAL. */
int spiffe_id_parse(const char *text, char ret_domain[DOMAIN_MAX + 1],
		    char ret_name[NODE_NAME_MAX + 1]);

/* 0 where the hash begins with eight zero bytes: such an ID is refused everywhere. */
uint64_t node_id_of(const struct crypto_ops *ops, const char *spiffe_id);
void overlay_address_of(const struct crypto_ops *ops, const char *domain, uint64_t node_id,
			uint8_t ret[OVERLAY_ADDRESS_LEN]);
/* Whether the address lies under this domain's prefix; then its node id. */
bool overlay_address_parse(const struct crypto_ops *ops, const char *domain,
			   const uint8_t address[OVERLAY_ADDRESS_LEN], uint64_t *ret_node_id);

/* What a verified chain proves. */
struct peer_identity {
	char spiffe_id[SPIFFE_ID_SIZE];
	char name[NODE_NAME_MAX + 1];
	uint64_t node_id;
	uint8_t pk[MLDSA65_PK_LEN];
	uint8_t serial[SERIAL_LEN];
	int64_t not_before_s;
	int64_t not_after_s;
	uint8_t chain_hash[SHA256_LEN]; /* H(DER certificates, leaf first, concatenated) */
	uint8_t bundle[SHA256_LEN];	/* of the trust it was verified with */
};

/* Signed, numbered list of what no longer counts, spread in control streams. */
#define REVOKED_MAX 4096

struct revoked {
	uint8_t serial[SERIAL_LEN]; /* all zero: whatever this node id holds */
	uint64_t node_id;
};

struct revocation_list {
	uint64_t number; /* a list replaces those with lower numbers */
	size_t n;
	struct revoked *entries; /* owned, REVOKED_MAX at most; ascending by serial, then id */
};

/* Wire and file form: "x0 revoked 1" \0 | number 8 | n 2 | n * (serial 20 | node id 8) |
 * ML-DSA-65 signature by the domain's root, context "x0 revocation list". */
#define REVOCATION_CONTEXT "x0 revocation list"
/* -EBADMSG, -EKEYREJECTED, -ENOMEM; ret must be all zero or a list, which is replaced
 * on success. That the number has grown is for the caller to check. */
int revocation_decode(const struct crypto_ops *ops, struct span bytes, const struct span *roots,
		      size_t n_roots, struct revocation_list *ret);
/* Puts an entry in its place; the number is the caller's to raise. -EEXIST, -ENOBUFS at
 * REVOKED_MAX, -ENOMEM. */
int revocation_add(struct revocation_list *list, const struct revoked *entry);
/* Bytes to sign, then to be followed by the signature. Returns the length, -ENOBUFS, or
 * -EINVAL for entries out of order, twice, or too many. */
int revocation_encode(const struct revocation_list *list, uint8_t *ret, size_t ret_size);
void revocation_done(struct revocation_list *list);
bool revocation_covers(const struct revocation_list *list, uint64_t node_id,
		       const uint8_t serial[SERIAL_LEN]);

/* What a node trusts. The DER bytes are the owner's and outlive this. */
struct trust {
	const struct crypto_ops *ops;
	char domain[DOMAIN_MAX + 1];
	size_t n_roots; /* ML-DSA-65 roots, newest first */
	struct span roots[BUNDLE_ROOTS_MAX];
	uint8_t bundle[SHA256_LEN]; /* H(roots), by trust_set_bundle() */
	struct revocation_list revoked;
};

/* To be called when the roots were set or changed: what was verified with others before is then
 * told apart. Where nothing verified is kept, it need not be called. */
void trust_set_bundle(struct trust *t);

enum identity_fault {
	IDENTITY_OK = 0,
	IDENTITY_UNPARSABLE,
	IDENTITY_NO_PATH, /* signature, issuer or root */
	IDENTITY_NOT_YET_VALID,
	IDENTITY_EXPIRED,
	IDENTITY_IS_CA,	    /* a CA certificate as leaf, or a leaf that may sign others */
	IDENTITY_NAMES,	    /* not exactly one URI SAN, or other SANs */
	IDENTITY_SPIFFE_ID, /* the URI is no SPIFFE ID of a node */
	IDENTITY_WRONG_DOMAIN,
	IDENTITY_KEY, /* not an ML-DSA-65 key */
	IDENTITY_KEY_USAGE,
	IDENTITY_REVOKED,
};

/* For logs and people: "certificate has expired". */
const char *identity_fault_text(enum identity_fault fault);

/* Judges a chain, leaf first: parse, strict SPIFFE leaf rules (X509-SVID sections 4 and 5),
 * path to a root, dates at unix_s, revocation. ret is touched only for IDENTITY_OK. */
enum identity_fault trust_verify(const struct trust *t, const struct span *chain, size_t n_chain,
				 int64_t unix_s, struct peer_identity *ret);
/* Its two halves. The first is slow, and all of it but revocation; it reads neither the list nor
 * anything that trust_set_bundle() does not follow. The second is what may have changed since:
 * the bundle (IDENTITY_NO_PATH where it is another than then), the domain, the leaf's dates,
 * revocation. */
enum identity_fault trust_verify_path(const struct trust *t, const struct span *chain,
				      size_t n_chain, int64_t unix_s, struct peer_identity *ret);
enum identity_fault trust_recheck(const struct trust *t, const struct peer_identity *peer,
				  int64_t unix_s);

/* The same for TLS, where the leaf's key may also be P-256 (ret->pk is zeros then) and t->roots are
 * the bundle's of either kind: the whole path is of one kind in any case. */
enum identity_fault trust_verify_tls(const struct trust *t, const struct span *chain,
				     size_t n_chain, int64_t unix_s, struct peer_identity *ret);

/* A chain as bytes: n 1 | n * (len 2 | DER). -EBADMSG for anything else, more than
 * CHAIN_CERTS_MAX or trailing bytes; the spans are borrowed from bytes. */
int chain_decode(struct span bytes, struct span ret[CHAIN_CERTS_MAX], size_t *ret_n);
/* Returns the length, -ENOBUFS, or -EINVAL for a chain that chain_decode() would refuse. */
int chain_encode(const struct span *chain, size_t n, uint8_t *ret, size_t ret_size);
void chain_hash(const struct crypto_ops *ops, const struct span *chain, size_t n,
		uint8_t ret[SHA256_LEN]);

/* Join tokens (docs/join.md). */
#define TOKEN_ID_LEN 8
#define TOKEN_SECRET_LEN 16
#define NETWORK_KEY_LEN 32
#define INVITE_ENDPOINTS_MAX 16
#define INVITE_TEXT_MAX 2048

struct token {
	uint8_t id[TOKEN_ID_LEN];
	uint8_t secret[TOKEN_SECRET_LEN];
};

/* What an invitation says: x0://join/<domain>?e=<host:port,...>&ca=<..>&k=<..>&t=<..>, the
 * binary parts in base64url. */
struct invite {
	char domain[DOMAIN_MAX + 1];
	size_t n_endpoints;
	char endpoints[INVITE_ENDPOINTS_MAX][80]; /* host:port, host may be a DNS name */
	uint8_t ca[SHA256_LEN];			  /* of the ML-DSA root's DER */
	uint8_t network_key[NETWORK_KEY_LEN];
	struct token token;
};

/* host:port as an invitation may carry it: a DNS name, an IPv4 address or an IPv6 address in
 * brackets without scope; port 1 to 65535. */
bool invite_endpoint_is_valid(const char *text);
/* -ENOBUFS, -EINVAL for what invite_parse() would refuse. INVITE_TEXT_MAX is always enough
 * room. */
int invite_format(const struct invite *i, char *ret, size_t ret_size);
/* Strict: every part once, in any order, none unknown. -EINVAL, and in ret_reason a static
 * sentence saying which part is wrong. ret holds keys: the caller wipes it. */
int invite_parse(const char *text, struct invite *ret, const char **ret_reason);

/* The authority's register of tokens: bounded, kept as text by the shell. A token's join key
 * jk = E(X("x0 join 1", secret),"mac",32) is what is stored, not the secret. */
#define TOKENS_MAX 1024
#define TOKEN_TAGS_MAX 8

struct token_entry {
	uint8_t id[TOKEN_ID_LEN];
	uint8_t join_key[SHA256_LEN];
	uint32_t n_uses_left;
	int64_t expires_s;	      /* unix seconds */
	char name[NODE_NAME_MAX + 1]; /* fixed name for the joiner, or "" */
	size_t n_uses;		      /* join requests already counted, each by H(J) */
	uint8_t uses[16][SHA256_LEN]; /* the first 16 are remembered, so that n uses <= 16 */
};

#define TOKEN_USES_MAX 16

enum token_verdict {
	TOKEN_OK,
	TOKEN_REPEATED, /* the same request again: answer the same, count nothing */
	TOKEN_UNKNOWN,
	TOKEN_EXPIRED,
	TOKEN_USED_UP,
};

void token_join_key(const struct crypto_ops *ops, const uint8_t secret[TOKEN_SECRET_LEN],
		    uint8_t ret[SHA256_LEN]);
/* Judges one use of the entry by the request with hash request (H(J)); changes nothing. entry
 * is NULL where the token's id is not in the register. */
enum token_verdict token_judge(const struct token_entry *entry, const uint8_t request[SHA256_LEN],
			       int64_t unix_s);
/* Counts a use that token_judge() found TOKEN_OK. */
void token_count(struct token_entry *entry, const uint8_t request[SHA256_LEN]);
const char *token_verdict_text(enum token_verdict v);
