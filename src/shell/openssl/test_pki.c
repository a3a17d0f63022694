/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <openssl/x509v3.h>

#include "shell/openssl/certificate.h"
#include "shell/openssl/pki.h"

#define NOW_S INT64_C(1800000000) /* 2027 */
#define ID "spiffe://mesh.example/node/alpha"

/* The authority and one node, of both kinds, made once: index is enum key_kind. */
static const struct crypto_ops *ops;
static struct signing_key *root_key[2];
static struct signing_key *node_key[2];
static struct buffer root[2];
static struct buffer csr[2];
static struct buffer svid[2];

static void fill_from_rng(void *arg, uint8_t *ret, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)rng_next(arg);
}

static struct rng rng;
static const struct entropy entropy = { .fill = fill_from_rng, .arg = &rng };

static struct span span_of(const struct buffer *b)
{
	return SPAN(b->at, b->len);
}

static int new_key(enum key_kind kind, struct signing_key **ret)
{
	uint8_t seed[32];

	if (kind == KEY_P256)
		return signing_key_new_p256(ret);
	entropy_fill(&entropy, seed, sizeof(seed));
	return signing_key_from_seed(seed, ret);
}

static const struct svid_terms terms = {
	.spiffe_id = ID,
	.name = "alpha",
	.now_s = NOW_S,
	.lifetime_s = SVID_LIFETIME_S,
};

static int issue(enum key_kind kind, const struct svid_terms *t, struct buffer *ret)
{
	return pki_issue_svid(root_key[kind], span_of(&root[kind]), span_of(&csr[kind]), t,
			      &entropy, ret);
}

static int make_domain(void **state)
{
	const char *error = NULL;

	(void)state;
	rng_seed(&rng, 7);
	ops = openssl_crypto_ops(&error);
	if (!ops) {
		(void)fprintf(stderr, "%s\n", error);
		return -1;
	}
	for (enum key_kind kind = KEY_MLDSA65; kind <= KEY_P256; kind++) {
		if (new_key(kind, &root_key[kind]) < 0 || new_key(kind, &node_key[kind]) < 0 ||
		    pki_make_root(root_key[kind], "mesh.example", NOW_S, &entropy, &root[kind]) <
			    0 ||
		    pki_make_csr(node_key[kind], "alpha", &csr[kind]) < 0 ||
		    issue(kind, &terms, &svid[kind]) < 0)
			return -1;
	}
	return 0;
}

static int free_domain(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		signing_key_free(root_key[kind]);
		signing_key_free(node_key[kind]);
		buffer_done(&root[kind]);
		buffer_done(&csr[kind]);
		buffer_done(&svid[kind]);
	}
	return 0;
}

static int verify_one(const struct buffer *leaf, const struct buffer *anchor, int64_t unix_s)
{
	const struct span chain = span_of(leaf);
	const struct span roots = span_of(anchor);
	const char *reason = NULL;
	int r = ops->path_verify(&chain, 1, &roots, 1, unix_s, &reason);

	assert_true((r == 0) == (reason == NULL));
	return r;
}

static void a_root_says_what_it_may_do(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		struct cert c;

		assert_int_equal(ops->cert_read(span_of(&root[kind]), &c), 0);
		assert_true(c.is_ca && c.has_key_usage && c.can_sign_certs && c.can_sign_crls);
		assert_false(c.can_sign);
		assert_string_equal(c.uri, "spiffe://mesh.example");
		assert_int_equal(c.n_uris, 1);
		assert_int_equal(c.n_other_names, 0);
		assert_int_equal(c.is_mldsa65, kind == KEY_MLDSA65);
		assert_int_equal(c.is_p256, kind == KEY_P256);
		assert_int_equal(c.not_before_s, NOW_S - 300);
		assert_int_equal(c.not_after_s, NOW_S + ROOT_LIFETIME_S);
	}
}

static void an_svid_is_a_strict_spiffe_leaf(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		struct cert c;
		uint8_t pk[MLDSA65_PK_LEN];
		const uint8_t zeros[4] = { 0 };

		assert_int_equal(ops->cert_read(span_of(&svid[kind]), &c), 0);
		assert_string_equal(c.uri, ID);
		assert_int_equal(c.n_uris, 1);
		assert_int_equal(c.n_other_names, 0);
		assert_true(c.has_key_usage && c.can_sign);
		assert_false(c.is_ca || c.can_sign_certs || c.can_sign_crls);
		assert_int_equal(c.not_before_s, NOW_S - 300);
		assert_int_equal(c.not_after_s, NOW_S + SVID_LIFETIME_S);
		assert_memory_equal(c.serial, zeros, 4); /* 16 bytes, right-aligned */
		assert_in_range(c.serial[4], 0x40, 0x7f);
		if (kind == KEY_MLDSA65) {
			ops->signing_key_public(node_key[kind], pk);
			assert_memory_equal(c.pk, pk, sizeof(pk));
		}
		assert_true(pki_cert_is_for(span_of(&svid[kind]), node_key[kind]));
		assert_false(pki_cert_is_for(span_of(&svid[kind]), root_key[kind]));
		assert_false(pki_cert_is_for(span_of(&svid[kind]), node_key[!kind]));
	}
}

static void critical_extensions_are_critical(void **state)
{
	(void)state;
	CLEANUP(X509_freep) X509 *x = certificate_parse(span_of(&svid[KEY_MLDSA65]));

	assert_non_null(x);
	assert_true(X509_EXTENSION_get_critical(
		X509_get_ext(x, X509_get_ext_by_NID(x, NID_basic_constraints, -1))));
	assert_true(X509_EXTENSION_get_critical(
		X509_get_ext(x, X509_get_ext_by_NID(x, NID_key_usage, -1))));
	assert_int_equal(X509_get_extended_key_usage(x), XKU_SSL_SERVER | XKU_SSL_CLIENT);
	assert_non_null(X509_get0_subject_key_id(x));
	assert_non_null(X509_get0_authority_key_id(x));
}

static void an_svid_verifies_to_its_root_while_it_is_valid(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		const struct buffer *leaf = &svid[kind];

		assert_int_equal(verify_one(leaf, &root[kind], NOW_S), 0);
		assert_int_equal(verify_one(leaf, &root[kind], NOW_S - 299), 0);
		assert_int_equal(verify_one(leaf, &root[kind], NOW_S - 301), -EKEYREJECTED);
		assert_int_equal(verify_one(leaf, &root[kind], NOW_S + SVID_LIFETIME_S - 1), 0);
		assert_int_equal(verify_one(leaf, &root[kind], NOW_S + SVID_LIFETIME_S + 1),
				 -EKEYREJECTED);
		assert_int_equal(verify_one(leaf, &root[!kind], NOW_S), -EKEYREJECTED);
	}
}

static void another_root_of_the_same_name_is_not_the_root(void **state)
{
	(void)state;
	for (enum key_kind kind = KEY_MLDSA65; kind <= KEY_P256; kind++) {
		struct signing_key *key = NULL;
		struct buffer other = { 0 };

		assert_int_equal(new_key(kind, &key), 0);
		assert_int_equal(pki_make_root(key, "mesh.example", NOW_S, &entropy, &other), 0);
		assert_int_equal(verify_one(&svid[kind], &other, NOW_S), -EKEYREJECTED);

		/* Two generations side by side, and both kinds: the right one is found. */
		const struct span chain[] = { span_of(&svid[kind]), span_of(&root[kind]) };
		const struct span bundle[] = { span_of(&other), span_of(&root[!kind]),
					       span_of(&root[kind]) };
		const char *reason = NULL;

		assert_int_equal(ops->path_verify(chain, 1, bundle, 3, NOW_S, &reason), 0);
		/* a root sent along changes nothing, trusted or not */
		assert_int_equal(ops->path_verify(chain, 2, bundle, 3, NOW_S, &reason), 0);
		assert_int_equal(ops->path_verify(chain, 2, bundle, 2, NOW_S, &reason),
				 -EKEYREJECTED);
		signing_key_free(key);
		buffer_done(&other);
	}
}

static void an_authority_is_no_leaf_and_a_leaf_no_authority(void **state)
{
	(void)state;
	for (enum key_kind kind = KEY_MLDSA65; kind <= KEY_P256; kind++) {
		struct buffer below = { 0 };

		assert_int_equal(verify_one(&root[kind], &root[kind], NOW_S), -EKEYREJECTED);
		assert_int_equal(pki_issue_svid(node_key[kind], span_of(&svid[kind]),
						span_of(&csr[kind]), &terms, &entropy, &below),
				 -EKEYREJECTED);
		assert_null(below.at);
	}
}

/* What is kept of parsed certificates goes by their exact bytes and has few places. */
static void a_certificate_is_judged_by_its_bytes_however_many_were_read_before(void **state)
{
	(void)state;
	const struct buffer *leaf = &svid[KEY_MLDSA65];
	struct buffer other = { .at = malloc(leaf->len), .len = leaf->len };
	struct cert c;

	assert_non_null(other.at);
	for (unsigned i = 0; i < 3 * 8; i++) {
		assert_int_equal(verify_one(leaf, &root[KEY_MLDSA65], NOW_S), 0);
		memcpy(other.at, leaf->at, leaf->len);
		other.at[leaf->len - 1 - i] ^= 1; /* in the signature */
		assert_int_equal(ops->cert_read(span_of(&other), &c), 0);
		assert_int_equal(verify_one(&other, &root[KEY_MLDSA65], NOW_S), -EKEYREJECTED);
		assert_int_equal(verify_one(leaf, &root[KEY_P256], NOW_S), -EKEYREJECTED);
	}
	buffer_done(&other);
}

static void bounds_of_chain_and_bundle_hold(void **state)
{
	(void)state;
	struct span many[PKI_ROOTS_MAX + 1];
	const char *reason = NULL;

	for (size_t i = 0; i < N_ELEMENTS(many); i++)
		many[i] = span_of(&root[KEY_P256]);

	const struct span leaf = span_of(&svid[KEY_P256]);

	assert_int_equal(ops->path_verify(&leaf, 1, many, PKI_ROOTS_MAX, NOW_S, &reason), 0);
	assert_int_equal(ops->path_verify(&leaf, 1, many, PKI_ROOTS_MAX + 1, NOW_S, &reason),
			 -EKEYREJECTED);
	assert_int_equal(ops->path_verify(&leaf, 1, many, 0, NOW_S, &reason), -EKEYREJECTED);
	assert_int_equal(ops->path_verify(&leaf, 0, many, 1, NOW_S, &reason), -EKEYREJECTED);
	many[0] = leaf;
	assert_int_equal(ops->path_verify(many, PKI_CHAIN_MAX, many + 1, 1, NOW_S, &reason), 0);
	assert_int_equal(ops->path_verify(many, PKI_CHAIN_MAX + 1, many + 1, 1, NOW_S, &reason),
			 -EKEYREJECTED);
	assert_non_null(reason);
}

static void a_bundle_of_leaves_anchors_nothing(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++)
		assert_int_equal(verify_one(&svid[kind], &svid[kind], NOW_S), -EKEYREJECTED);
}

/* ---- certificates that our authority would never make ---- */

struct oddity {
	const char *uri[2];
	size_t uri_len;	    /* of uri[0]; 0: strlen() */
	const EVP_MD *hash; /* for P-256; NULL: SHA-256 */
	bool has_dns, signs_by_other_kind;
};

static void add_name(GENERAL_NAMES *names, int type, const char *text, size_t len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *s = ASN1_IA5STRING_new();

	assert_true(name && s && ASN1_STRING_set(s, text, (int)len) == 1);
	GENERAL_NAME_set0_value(name, type, s);
	assert_true(sk_GENERAL_NAME_push(names, name) > 0);
}

/* The node's SVID with its names replaced, signed again by the authority's key. */
static struct buffer odd_svid(enum key_kind kind, const struct oddity *o)
{
	X509 *x = certificate_parse(span_of(&svid[kind]));
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	enum key_kind by = o->signs_by_other_kind ? !kind : kind;
	const EVP_MD *hash = by == KEY_MLDSA65 ? NULL : o->hash ? o->hash : EVP_sha256();
	struct buffer b = { 0 };
	int len;

	for (int i = 0; i < 2 && o->uri[i]; i++)
		add_name(names, GEN_URI, o->uri[i],
			 i == 0 && o->uri_len ? o->uri_len : strlen(o->uri[i]));
	if (o->has_dns)
		add_name(names, GEN_DNS, "a.example", 9);
	assert_int_equal(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_REPLACE),
			 1);
	assert_true(X509_sign(x, root_key[by]->pkey, hash) > 0);
	len = i2d_X509(x, &b.at);
	assert_true(len > 0);
	b.len = (size_t)len;
	GENERAL_NAMES_free(names);
	X509_free(x);
	return b;
}

static void every_name_is_counted(void **state)
{
	(void)state;
	const struct oddity o = { .uri = { ID, "spiffe://mesh.example/node/beta" },
				  .has_dns = true };
	struct buffer b = odd_svid(KEY_P256, &o);
	struct cert c;

	assert_int_equal(ops->cert_read(span_of(&b), &c), 0);
	assert_int_equal(c.n_uris, 2); /* for core/identity to refuse */
	assert_int_equal(c.n_other_names, 1);
	assert_string_equal(c.uri, ID);
	buffer_done(&b);
}

static void a_nul_or_too_much_in_a_uri_is_refused(void **state)
{
	(void)state;
	char text[257];
	struct cert c;
	struct buffer b;

	memset(text, 'a', sizeof(text));
	memcpy(text, ID, sizeof(ID)); /* with its NUL, and more behind it */
	b = odd_svid(KEY_P256, &(struct oddity){ .uri = { text }, .uri_len = sizeof(ID) + 5 });
	assert_int_equal(ops->cert_read(span_of(&b), &c), -EBADMSG);
	buffer_done(&b);
	text[sizeof(ID) - 1] = 'a';
	text[256] = '\0';
	b = odd_svid(KEY_P256, &(struct oddity){ .uri = { text } });
	assert_int_equal(ops->cert_read(span_of(&b), &c), -EBADMSG);
	buffer_done(&b);
	text[255] = '\0';
	b = odd_svid(KEY_P256, &(struct oddity){ .uri = { text } });
	assert_int_equal(ops->cert_read(span_of(&b), &c), 0);
	assert_string_equal(c.uri, text);
	buffer_done(&b);
}

static void what_a_terminal_would_obey_in_a_uri_is_refused(void **state)
{
	static const char *const texts[] = { ID "\nverified", ID "\x1b[2K", ID " ", ID "\x7f" };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		struct cert c;
		struct buffer b = odd_svid(KEY_P256, &(struct oddity){ .uri = { texts[i] } });

		assert_int_equal(ops->cert_read(span_of(&b), &c), -EBADMSG);
		buffer_done(&b);
	}
}

static void only_our_two_signature_algorithms_make_a_path(void **state)
{
	(void)state;
	struct buffer b =
		odd_svid(KEY_P256, &(struct oddity){ .uri = { ID }, .hash = EVP_sha384() });

	assert_int_equal(verify_one(&b, &root[KEY_P256], NOW_S), -EKEYREJECTED);
	buffer_done(&b);
	b = odd_svid(KEY_P256, &(struct oddity){ .uri = { ID } });
	assert_int_equal(verify_one(&b, &root[KEY_P256], NOW_S), 0);
	buffer_done(&b);
}

static void a_path_of_two_kinds_is_refused(void **state)
{
	(void)state;
	for (enum key_kind kind = KEY_MLDSA65; kind <= KEY_P256; kind++) {
		const struct oddity o = { .uri = { ID }, .signs_by_other_kind = true };
		struct buffer b = odd_svid(kind, &o);

		assert_int_equal(verify_one(&b, &root[kind], NOW_S), -EKEYREJECTED);
		assert_int_equal(verify_one(&b, &root[!kind], NOW_S), -EKEYREJECTED);
		buffer_done(&b);
	}
}

static void a_changed_certificate_never_verifies(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		struct buffer *b = &svid[kind];

		for (size_t i = 0; i < b->len; i += kind == KEY_P256 ? 7 : 331) {
			b->at[i] ^= 0x10;
			assert_int_equal(verify_one(b, &root[kind], NOW_S), -EKEYREJECTED);
			b->at[i] ^= 0x10;
		}
		assert_int_equal(verify_one(b, &root[kind], NOW_S), 0);
	}
}

static void a_certificate_is_read_whole_or_not_at_all(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		CLEANUP_FREE uint8_t *longer = malloc(svid[kind].len + 1);
		struct cert c = { .n_uris = 77 };

		assert_non_null(longer);
		memcpy(longer, svid[kind].at, svid[kind].len);
		longer[svid[kind].len] = 0;
		assert_int_equal(ops->cert_read(SPAN(longer, svid[kind].len + 1), &c), -EBADMSG);
		for (size_t len = 0; len < svid[kind].len; len += 61)
			assert_int_equal(ops->cert_read(SPAN(longer, len), &c), -EBADMSG);
		assert_int_equal(c.n_uris, 77); /* untouched */
	}
}

/* ---- requests ---- */

/* BER, but not DER: 0x82 and two bytes of length written as 0x83 and three. */
static void a_length_longer_than_it_need_be_is_refused(void **state)
{
	static const size_t places[] = { 1, 5 }; /* of the certificate, of its signed part */
	const struct buffer *good = &svid[KEY_MLDSA65];
	uint8_t bytes[16384];
	struct cert cert;

	(void)state;
	assert_true(good->len + 1 <= sizeof(bytes));
	for (size_t i = 0; i < 2; i++) {
		size_t at = places[i];
		size_t outer = (size_t)good->at[2] << 8 | good->at[3];

		assert_int_equal(good->at[at], 0x82);
		memcpy(bytes, good->at, at);
		bytes[at] = 0x83;
		bytes[at + 1] = 0;
		memcpy(bytes + at + 2, good->at + at + 1, good->len - at - 1);
		if (at > 1) { /* what encloses it is a byte longer */
			bytes[2] = (uint8_t)((outer + 1) >> 8);
			bytes[3] = (uint8_t)(outer + 1);
		}
		assert_int_equal(certificate_read(SPAN(bytes, good->len + 1), &cert), -EBADMSG);
	}
}

static void a_request_names_its_kind_and_its_wish(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		struct csr c;

		assert_int_equal(pki_csr_read(span_of(&csr[kind]), &c), 0);
		assert_int_equal(c.kind, kind);
		assert_string_equal(c.name, "alpha");
	}
}

static void the_cores_read_the_key_of_an_mldsa_request_alone(void **state)
{
	(void)state;
	struct buffer *b = &csr[KEY_MLDSA65];
	uint8_t pk[MLDSA65_PK_LEN];
	uint8_t want[MLDSA65_PK_LEN];

	ops->signing_key_public(node_key[KEY_MLDSA65], want);
	assert_int_equal(ops->csr_read(span_of(b), pk), 0);
	assert_memory_equal(pk, want, sizeof(pk));
	assert_int_equal(ops->csr_read(span_of(&csr[KEY_P256]), pk), -EBADMSG);
	assert_int_equal(ops->csr_read(SPAN(b->at, b->len - 1), pk), -EBADMSG);
	b->at[b->len - 1] ^= 1;
	assert_int_equal(ops->csr_read(span_of(b), pk), -EKEYREJECTED);
	b->at[b->len - 1] ^= 1;
	assert_memory_equal(pk, want, sizeof(pk)); /* untouched */
}

static void a_request_signed_by_another_key_gets_nothing(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		struct buffer *b = &csr[kind];
		struct buffer out = { 0 };
		struct csr c;

		b->at[b->len - 1] ^= 1; /* the signature's last byte */
		assert_int_equal(pki_csr_read(span_of(b), &c), -EKEYREJECTED);
		assert_int_equal(issue((enum key_kind)kind, &terms, &out), -EKEYREJECTED);
		b->at[b->len - 1] ^= 1;
		for (size_t len = 0; len < b->len; len += 41)
			assert_int_equal(pki_csr_read(SPAN(b->at, len), &c), -EBADMSG);
		assert_null(out.at);
	}
}

static void request_root_and_authority_are_of_one_kind(void **state)
{
	(void)state;
	struct buffer out = { 0 };

	assert_int_equal(pki_issue_svid(root_key[0], span_of(&root[0]), span_of(&csr[1]), &terms,
					&entropy, &out),
			 -EPROTO);
	assert_int_equal(pki_issue_svid(root_key[0], span_of(&root[1]), span_of(&csr[0]), &terms,
					&entropy, &out),
			 -EPROTO);
	assert_int_equal(pki_issue_svid(node_key[0], span_of(&root[0]), span_of(&csr[0]), &terms,
					&entropy, &out),
			 -EKEYREJECTED);
	assert_null(out.at);
}

static void no_svid_outlives_its_root(void **state)
{
	(void)state;
	struct svid_terms late = terms;
	struct buffer out = { 0 };
	struct cert c;

	late.now_s = NOW_S + ROOT_LIFETIME_S - 86400;
	assert_int_equal(issue(KEY_P256, &late, &out), 0);
	assert_int_equal(ops->cert_read(span_of(&out), &c), 0);
	assert_int_equal(c.not_after_s, NOW_S + ROOT_LIFETIME_S);
	buffer_done(&out);
	late.now_s = NOW_S + ROOT_LIFETIME_S + 1;
	assert_int_equal(issue(KEY_P256, &late, &out), -EKEYREJECTED);
	late.now_s = NOW_S - 301;
	assert_int_equal(issue(KEY_P256, &late, &out), -EKEYREJECTED);
}

static void names_that_do_not_fit_are_refused(void **state)
{
	(void)state;
	char text[300];
	struct svid_terms t = terms;
	struct buffer out = { 0 };

	memset(text, 'n', sizeof(text));
	text[65] = '\0';
	assert_int_equal(pki_make_csr(node_key[1], text, &out), -EINVAL);
	assert_int_equal(pki_make_csr(node_key[1], "", &out), -EINVAL);
	t.name = text;
	assert_int_equal(issue(KEY_P256, &t, &out), -EINVAL);
	t = terms;
	text[65] = 'n';
	text[256] = '\0';
	t.spiffe_id = text;
	assert_int_equal(issue(KEY_P256, &t, &out), -EINVAL);
	text[256] = 'n';
	text[248] = '\0';
	assert_int_equal(pki_make_root(root_key[1], text, NOW_S, &entropy, &out), -EINVAL);
	text[247] = '\0'; /* the longest domain: its CN is cut, its URI is not */
	assert_int_equal(pki_make_root(root_key[1], text, NOW_S, &entropy, &out), 0);
	buffer_done(&out);
}

/* ---- PEM ---- */

static void certificates_come_back_from_pem(void **state)
{
	(void)state;
	const struct span certs[] = { span_of(&root[0]), span_of(&root[1]) };
	struct buffer pem = { 0 };
	struct buffer back[2] = { { 0 } };
	size_t n = 0;

	assert_int_equal(pki_certs_to_pem(certs, 2, &pem), 0);
	assert_int_equal(pki_certs_from_pem(span_of(&pem), back, 1, &n), -ENOBUFS);
	assert_int_equal(pki_certs_from_pem(span_of(&pem), back, 2, &n), 0);
	assert_int_equal(n, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(back[i].len, root[i].len);
		assert_memory_equal(back[i].at, root[i].at, root[i].len);
		buffer_done(&back[i]);
	}
	assert_int_equal(pki_certs_from_pem(SPAN(pem.at, pem.len / 2), back, 2, &n), -EBADMSG);
	assert_int_equal(pki_certs_from_pem(SPAN_STR("nothing here\n"), back, 2, &n), -EBADMSG);
	buffer_done(&pem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_root_says_what_it_may_do),
		cmocka_unit_test(an_svid_is_a_strict_spiffe_leaf),
		cmocka_unit_test(critical_extensions_are_critical),
		cmocka_unit_test(an_svid_verifies_to_its_root_while_it_is_valid),
		cmocka_unit_test(another_root_of_the_same_name_is_not_the_root),
		cmocka_unit_test(an_authority_is_no_leaf_and_a_leaf_no_authority),
		cmocka_unit_test(
			a_certificate_is_judged_by_its_bytes_however_many_were_read_before),
		cmocka_unit_test(bounds_of_chain_and_bundle_hold),
		cmocka_unit_test(a_bundle_of_leaves_anchors_nothing),
		cmocka_unit_test(every_name_is_counted),
		cmocka_unit_test(a_nul_or_too_much_in_a_uri_is_refused),
		cmocka_unit_test(what_a_terminal_would_obey_in_a_uri_is_refused),
		cmocka_unit_test(only_our_two_signature_algorithms_make_a_path),
		cmocka_unit_test(a_path_of_two_kinds_is_refused),
		cmocka_unit_test(a_changed_certificate_never_verifies),
		cmocka_unit_test(a_certificate_is_read_whole_or_not_at_all),
		cmocka_unit_test(a_length_longer_than_it_need_be_is_refused),
		cmocka_unit_test(a_request_names_its_kind_and_its_wish),
		cmocka_unit_test(the_cores_read_the_key_of_an_mldsa_request_alone),
		cmocka_unit_test(a_request_signed_by_another_key_gets_nothing),
		cmocka_unit_test(request_root_and_authority_are_of_one_kind),
		cmocka_unit_test(no_svid_outlives_its_root),
		cmocka_unit_test(names_that_do_not_fit_are_refused),
		cmocka_unit_test(certificates_come_back_from_pem),
	};

	return cmocka_run_group_tests(tests, make_domain, free_domain);
}
