/* SPDX-License-Identifier: Apache-2.0 */
/* member.h - this node's membership, as it is kept: keys, certificates, roots, network keys.
 *
 * Everything but the two private keys is one file, written whole: a crash leaves the old
 * membership or the new one. */
#pragma once

#include "core/node/membership.h"
#include "shell/openssl/crypto_openssl.h"
#include "shell/store/store.h"

struct member {
	char domain[DOMAIN_MAX + 1];
	char name[NODE_NAME_MAX + 1];
	uint64_t node_id;
	struct store_value bytes; /* what `is` borrows from */
	struct membership is;
	size_t n_mldsa_roots;
	struct span mldsa_roots[BUNDLE_ROOTS_MAX]; /* those of is.roots for the mesh handshake */
	int64_t not_after_s;			   /* of the ML-DSA-65 leaf */
	int64_t not_before_s;
	struct signing_key *key; /* ML-DSA-65 */
	struct signing_key *key_p256;
	unsigned n_jobs; /* under way that read the key */
	bool is_retired; /* replaced: goes with the last of them */
};

/* -ENOENT: not a member of any mesh yet. The text says what to run. */
int member_load(const struct store *s, const struct crypto_ops *ops, struct member **ret,
		struct store_error *ret_error);
/* The same where the node's keys have a passphrase: -ENOKEY without one, -EKEYREJECTED with a
 * wrong one. */
int member_open(const struct store *s, const struct crypto_ops *ops, struct span passphrase,
		struct member **ret, struct store_error *ret_error);
/* The membership as it is now on the disk, with the keys of another, which gives them up where
 * this works. */
int member_load_again(const struct store *s, const struct crypto_ops *ops, struct member *keys_of,
		      struct member **ret, struct store_error *ret_error);
void member_free(struct member *m); /* wipes */

/* Keeps a membership; the keys first, so that a crash between leaves nothing that looks whole.
 * Either key may be NULL: it stays as it is. */
int member_save(struct store *s, const struct membership *is, const struct signing_key *key,
		const struct signing_key *key_p256, struct store_error *ret_error);

/* One private key of the store, of the kind expected; also the authority's. */
int member_load_key(const struct store *s, enum store_file file, enum key_kind kind,
		    struct signing_key **ret, struct store_error *ret_error);
int member_open_key(const struct store *s, enum store_file file, enum key_kind kind,
		    struct span passphrase, struct signing_key **ret,
		    struct store_error *ret_error);
/* Encrypted where there is a passphrase. */
int member_save_key(struct store *s, enum store_file file, const struct signing_key *key,
		    struct span passphrase, struct store_error *ret_error);

/* Two fresh keys and their requests. */
struct member_request {
	struct signing_key *key;
	struct signing_key *key_p256;
	struct buffer csr_mldsa;
	struct buffer csr_p256;
};

/* New keys, seeded by the entropy. -EIO, -ENOMEM. */
int member_request_new(const char *name, const struct entropy *entropy, struct member_request *ret);
/* The keys the member has; they stay the member's. */
int member_request_for(const struct member *m, struct member_request *ret);
void member_request_done(struct member_request *r); /* frees keys it made */

/* Checks what an authority answered against what was asked: names one domain, chains verify to
 * the roots at unix_s, and certify our two keys. The text says which does not. */
int member_check(const struct crypto_ops *ops, const struct membership *is, const char *domain,
		 const struct signing_key *key, const struct signing_key *key_p256, int64_t unix_s,
		 struct store_error *ret_error);

/* Bytes from the kernel (getrandom), for everything that needs chance. */
extern const struct entropy kernel_entropy;
