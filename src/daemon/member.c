/* SPDX-License-Identifier: Apache-2.0 */
/* The node's membership on disk and in memory. */
#include "daemon/member.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "shell/openssl/pki.h"

#define ROOT_SHA256_TEXT 16

static void kernel_fill(void *arg, uint8_t *ret, size_t len)
{
	(void)arg;
	while (len > 0) {
		ssize_t n = getrandom(ret, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			abort(); /* no key may ever be made without it */
		ret += n;
		len -= (size_t)n;
	}
}

const struct entropy kernel_entropy = { .fill = kernel_fill };

static int say(struct store_error *e, int r, const char *text)
{
	(void)snprintf(e->text, sizeof(e->text), "%s", text);
	return r;
}

DEFINE_FREEP(struct member, member_free)

void member_free(struct member *m)
{
	if (!m)
		return;
	signing_key_free(m->key);
	signing_key_free(m->key_p256);
	store_value_done(&m->bytes);
	secret_free(m);
}

static int say_no_key(const struct store *s, enum store_file file, int r, struct store_error *e)
{
	const char *name = store_file_name(file);
	const char *dir = store_directory(s);

	if (r == -ENOKEY)
		(void)snprintf(e->text, sizeof(e->text),
			       "%s/%s is encrypted, and no passphrase was given; name a file that "
			       "holds it (keys.passphrase_file in the configuration, or systemd's "
			       "credential x0-passphrase), or take it away: x0 key passphrase "
			       "--remove",
			       dir, name);
	else if (r == -EKEYREJECTED)
		(void)snprintf(e->text, sizeof(e->text), "this passphrase does not open %s/%s", dir,
			       name);
	else
		(void)snprintf(e->text, sizeof(e->text),
			       "%s/%s holds no private key of the kind expected; restore it from "
			       "a backup",
			       dir, name);
	return r;
}

int member_open_key(const struct store *s, enum store_file file, enum key_kind kind,
		    struct span passphrase, struct signing_key **ret, struct store_error *e)
{
	struct store_value v = { 0 };
	int r = store_read(s, file, &v, e);

	if (r < 0)
		return r;
	r = signing_key_open(store_value_span(&v), kind, passphrase, ret);
	store_value_done(&v);
	return r < 0 ? say_no_key(s, file, r, e) : 0;
}

int member_load_key(const struct store *s, enum store_file file, enum key_kind kind,
		    struct signing_key **ret, struct store_error *e)
{
	return member_open_key(s, file, kind, (struct span){ 0 }, ret, e);
}

/* Those of ML-DSA-65. The others are for TLS, which looks at them when it begins: to read one takes
 * the library longer than all the rest of a start. */
static int split_roots(const struct crypto_ops *ops, struct member *m, struct store_error *e)
{
	for (size_t i = 0; i < m->is.n_roots; i++) {
		struct cert c;

		if (!pki_cert_names_mldsa65(m->is.roots[i]))
			continue;
		if (ops->cert_read(m->is.roots[i], &c) < 0)
			return say(e, -EBADMSG, "a root certificate of the membership is damaged");
		if (c.is_mldsa65 && m->n_mldsa_roots < BUNDLE_ROOTS_MAX)
			m->mldsa_roots[m->n_mldsa_roots++] = m->is.roots[i];
	}
	return 0;
}

static int read_leaf(const struct crypto_ops *ops, struct member *m, struct store_error *e)
{
	struct cert leaf;

	if (ops->cert_read(m->is.chain[0], &leaf) < 0)
		return say(e, -EBADMSG, "the node's own certificate is damaged");
	if (!pki_cert_is_for(m->is.chain[0], m->key))
		return say(e, -EKEYREJECTED,
			   "the node's certificate is not for its key; restore both from one "
			   "backup, or join again: x0 leave, then x0 join");
	m->not_before_s = leaf.not_before_s;
	m->not_after_s = leaf.not_after_s;
	return 0;
}

static int read_membership(const struct store *s, const struct crypto_ops *ops, struct member *m,
			   struct store_error *e)
{
	int r;

	r = store_read(s, STORE_MEMBERSHIP, &m->bytes, e);
	if (r == -ENOENT)
		return say(e, -ENOENT,
			   "this node is not a member of a mesh yet; found one: x0 init --domain "
			   "NAME, or join one: x0 join x0://...");
	if (r < 0)
		return r;
	r = membership_decode(store_value_span(&m->bytes), &m->is);
	if (r < 0 || m->is.status != MEMBERSHIP_GRANTED)
		return say(e, -EBADMSG,
			   "the file membership is damaged; restore it from a backup, or join "
			   "again: x0 leave, then x0 join");
	if (spiffe_id_parse(m->is.spiffe_id, m->domain, m->name) < 0)
		return say(e, -EBADMSG, "the membership names no valid SPIFFE ID");
	m->node_id = node_id_of(ops, m->is.spiffe_id);
	return split_roots(ops, m, e);
}

int member_open(const struct store *s, const struct crypto_ops *ops, struct span passphrase,
		struct member **ret, struct store_error *e)
{
	CLEANUP(member_freep) struct member *m = secret_alloc(sizeof(*m));
	int r;

	if (!m)
		return say(e, -ENOMEM, "out of memory");
	r = read_membership(s, ops, m, e);
	if (r == 0)
		r = member_open_key(s, STORE_NODE_MLDSA_KEY, KEY_MLDSA65, passphrase, &m->key, e);
	if (r == 0)
		r = member_open_key(s, STORE_NODE_P256_KEY, KEY_P256, passphrase, &m->key_p256, e);
	if (r == 0)
		r = read_leaf(ops, m, e);
	if (r < 0)
		return r;
	*ret = TAKE(m);
	return 0;
}

int member_load(const struct store *s, const struct crypto_ops *ops, struct member **ret,
		struct store_error *e)
{
	return member_open(s, ops, (struct span){ 0 }, ret, e);
}

int member_load_again(const struct store *s, const struct crypto_ops *ops, struct member *keys_of,
		      struct member **ret, struct store_error *e)
{
	CLEANUP(member_freep) struct member *m = secret_alloc(sizeof(*m));
	int r;

	if (!m)
		return say(e, -ENOMEM, "out of memory");
	r = read_membership(s, ops, m, e);
	if (r < 0)
		return r;
	m->key = keys_of->key;
	r = read_leaf(ops, m, e);
	if (r < 0) {
		m->key = NULL; /* still the other's */
		return r;
	}
	m->key_p256 = TAKE(keys_of->key_p256);
	keys_of->key = NULL;
	*ret = TAKE(m);
	return 0;
}

int member_save_key(struct store *s, enum store_file file, const struct signing_key *key,
		    struct span passphrase, struct store_error *e)
{
	struct buffer pem = { 0 };
	int r;

	r = passphrase.len > 0 ? signing_key_to_encrypted_pem(key, passphrase, &pem)
			       : signing_key_to_pem(key, &pem);
	if (r < 0)
		return say(e, r, "the private key could not be encoded");
	r = store_write(s, file, SPAN(pem.at, pem.len), e);
	buffer_done(&pem);
	return r;
}

int member_save(struct store *s, const struct membership *is, const struct signing_key *key,
		const struct signing_key *key_p256, struct store_error *e)
{
	CLEANUP(secret_freep) uint8_t *bytes = secret_alloc(MEMBERSHIP_LEN_MAX);
	const struct span none = { 0 };
	int len;
	int r;

	if (!bytes)
		return say(e, -ENOMEM, "out of memory");
	len = membership_encode(is, bytes, MEMBERSHIP_LEN_MAX);
	if (len < 0)
		return say(e, len, "the membership is too long to keep");
	r = key ? member_save_key(s, STORE_NODE_MLDSA_KEY, key, none, e) : 0;
	if (r == 0 && key_p256)
		r = member_save_key(s, STORE_NODE_P256_KEY, key_p256, none, e);
	if (r == 0)
		r = store_write(s, STORE_MEMBERSHIP, SPAN(bytes, (size_t)len), e);
	return r;
}

static int make_requests(const struct signing_key *key, const struct signing_key *key_p256,
			 const char *name, struct member_request *ret)
{
	int r = pki_make_csr(key, name, &ret->csr_mldsa);

	return r < 0 ? r : pki_make_csr(key_p256, name, &ret->csr_p256);
}

int member_request_new(const char *name, const struct entropy *entropy, struct member_request *ret)
{
	uint8_t seed[32];
	int r;

	*ret = (struct member_request){ 0 };
	entropy_fill(entropy, seed, sizeof(seed));
	r = signing_key_from_seed(seed, &ret->key);
	bytes_wipe(seed, sizeof(seed));
	if (r == 0)
		r = signing_key_new_p256(&ret->key_p256);
	if (r == 0)
		r = make_requests(ret->key, ret->key_p256, name, ret);
	if (r < 0)
		member_request_done(ret);
	return r;
}

int member_request_for(const struct member *m, struct member_request *ret)
{
	int r;

	*ret = (struct member_request){ 0 };
	r = make_requests(m->key, m->key_p256, m->name, ret);
	if (r < 0)
		member_request_done(ret);
	return r;
}

void member_request_done(struct member_request *r)
{
	signing_key_free(r->key);
	signing_key_free(r->key_p256);
	buffer_done(&r->csr_mldsa);
	buffer_done(&r->csr_p256);
	*r = (struct member_request){ 0 };
}

static int check_p256(const struct crypto_ops *ops, const struct membership *is,
		      const struct signing_key *key_p256, int64_t unix_s, struct store_error *e)
{
	const char *reason = "";

	if (is->n_chain_p256 == 0)
		return say(e, -EKEYREJECTED, "the answer has no ECDSA certificate");
	if (!pki_cert_is_for(is->chain_p256[0], key_p256))
		return say(e, -EKEYREJECTED, "the ECDSA certificate is not for our key");
	if (ops->path_verify(is->chain_p256, is->n_chain_p256, is->roots, is->n_roots, unix_s,
			     &reason) < 0) {
		(void)snprintf(e->text, sizeof(e->text), "the ECDSA certificate: %s", reason);
		return -EKEYREJECTED;
	}
	return 0;
}

int member_check(const struct crypto_ops *ops, const struct membership *is, const char *domain,
		 const struct signing_key *key, const struct signing_key *key_p256, int64_t unix_s,
		 struct store_error *e)
{
	struct trust trust = { .ops = ops };
	struct peer_identity identity;
	enum identity_fault fault;

	if (strlen(domain) > DOMAIN_MAX)
		return say(e, -EINVAL, "the domain's name is too long");
	memcpy(trust.domain, domain, strlen(domain) + 1);
	for (size_t i = 0; i < is->n_roots && trust.n_roots < BUNDLE_ROOTS_MAX; i++) {
		struct cert c;

		if (ops->cert_read(is->roots[i], &c) == 0 && c.is_mldsa65)
			trust.roots[trust.n_roots++] = is->roots[i];
	}
	fault = trust_verify(&trust, is->chain, is->n_chain, unix_s, &identity);
	if (fault != IDENTITY_OK) {
		(void)snprintf(e->text, sizeof(e->text), "the certificate received: %s",
			       identity_fault_text(fault));
		return -EKEYREJECTED;
	}
	if (strcmp(identity.spiffe_id, is->spiffe_id) != 0)
		return say(e, -EKEYREJECTED, "the certificate received has another name");
	if (!pki_cert_is_for(is->chain[0], key))
		return say(e, -EKEYREJECTED, "the certificate received is not for our key");
	return check_p256(ops, is, key_p256, unix_s, e);
}
