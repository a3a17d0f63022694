/* SPDX-License-Identifier: Apache-2.0 */
/* authority.h - the trust domain's authority: its roots, invitations, and whom it admits.
 *
 * One node of a domain holds it; without its files nobody can join (x0 init says how to back
 * them up). Every change is on the disk before it is answered. */
#pragma once

#include "core/node/membership.h"
#include "core/policy/policy.h"
#include "daemon/member.h"
#include "shell/store/store.h"

struct authority;

/* Founds a domain: roots, and the first member with the given name; written to the store, which
 * must not hold a membership. */
int authority_found(struct store *s, const struct crypto_ops *ops, const char *domain,
		    const char *name, int64_t unix_s, struct store_error *ret_error);
/* The same, the authority's keys (not the node's) encrypted where there is a passphrase. */
int authority_found_locked(struct store *s, const struct crypto_ops *ops, const char *domain,
			   const char *name, struct span passphrase, int64_t unix_s,
			   struct store_error *ret_error);

/* -ENOENT where this node is not the authority. The store and member are borrowed. Where the keys
 * have a passphrase it is locked: it invites, admits, renews and revokes nobody. */
int authority_load(struct store *s, const struct crypto_ops *ops, const struct member *member,
		   struct authority **ret, struct store_error *ret_error);
void authority_free(struct authority *a); /* wipes */
/* The member was renewed: the old one is about to go. */
void authority_set_member(struct authority *a, const struct member *member);

/* ---- the passphrase ---- */

bool authority_has_passphrase(const struct authority *a); /* of its keys, on the disk */
bool authority_is_locked(const struct authority *a);

/* The two keys on their way from the disk, so that the slow step can be another thread's. */
struct authority_keys {
	struct store_value file, file_p256;
	struct signing_key *key, *key_p256;
};

int authority_keys_read(const struct authority *a, struct authority_keys *ret,
			struct store_error *ret_error);
/* Decrypts, about 0.4 s, on any thread. -EKEYREJECTED for another passphrase. */
int authority_keys_open(struct authority_keys *k, struct span passphrase);
/* Takes the opened keys. -EKEYREJECTED where they are not those of the roots. */
int authority_unlock(struct authority *a, struct authority_keys *k, struct store_error *ret_error);
void authority_keys_done(struct authority_keys *k); /* wipes */
/* Forgets the keys, or -EPERM where they have no passphrase to come back with. Nobody may hold
 * authority_root_key() any more. */
int authority_lock(struct authority *a, struct store_error *ret_error);

/* NULL while it is locked. */
const struct signing_key *authority_root_key(const struct authority *a);
struct span authority_root(const struct authority *a);

/* The register of tokens, for node_set_tokens(); stays valid until the next call below. */
const struct token_entry *authority_tokens(const struct authority *a, size_t *ret_n);

struct invite_terms {
	char name[NODE_NAME_MAX + 1]; /* fixed for the joiner, or "" */
	uint32_t n_uses;	      /* 1 to TOKEN_USES_MAX */
	int64_t lifetime_s;	      /* 60 s to a year */
};

/* A new token, kept before this returns. -EINVAL, -ENOBUFS. */
int authority_invite(struct authority *a, const struct invite_terms *terms, int64_t unix_s,
		     struct token *ret, struct store_error *ret_error);

/* Decides a join or renewal request; ret is the answer, also for a refusal. network_keys and
 * revocations are what the node holds now. ret_name is the name admitted or asked for. */
void authority_grant(struct authority *a, const struct node_issue *issue,
		     const struct policy *policy, const struct network_key *keys, size_t n_keys,
		     struct span revocations, int64_t unix_s, uint8_t *ret, size_t ret_size,
		     size_t *ret_len, char ret_name[NODE_NAME_MAX + 1],
		     enum membership_status *ret_status);

/* Whom it has admitted; by name, NULL for nobody. */
const struct store_issued *authority_issued(const struct authority *a, const char *name);
const struct store_issued *authority_issued_at(const struct authority *a, size_t i);
/* Marks as revoked, kept before this returns. -ENOENT, -EALREADY. */
int authority_mark_revoked(struct authority *a, const char *name, struct store_error *ret_error);
