/* SPDX-License-Identifier: Apache-2.0 */
/* core/identity judging real certificates, made by shell/openssl: what a good one proves, and
 * each way to be a bad one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/x509v3.h>

#include "core/identity/identity.h"
#include "shell/openssl/pki.h"

#define DOMAIN "example.mesh"
#define ALICE "spiffe://example.mesh/node/alice"
#define NOW INT64_C(1800000000)
#define DAY 86400

static const struct crypto_ops *ops;
static struct signing_key *authority;
static struct signing_key *stranger;
static struct signing_key *alice;
static struct buffer root;
static struct buffer other_root; /* of the same name, by another key */
static struct buffer request;
static struct buffer svid;

static void fill(void *arg, uint8_t *ret, size_t len)
{
	static uint8_t next;

	(void)arg;
	for (size_t i = 0; i < len; i++)
		ret[i] = next++;
}

static const struct entropy entropy = { .fill = fill };

static struct span span_of(const struct buffer *b)
{
	return SPAN(b->at, b->len);
}

static int issue(const char *spiffe_id, int64_t now_s, int64_t lifetime_s, struct buffer *ret)
{
	const struct svid_terms terms = {
		.spiffe_id = spiffe_id,
		.name = "alice",
		.now_s = now_s,
		.lifetime_s = lifetime_s,
	};

	return pki_issue_svid(authority, span_of(&root), span_of(&request), &terms, &entropy, ret);
}

static int set_up(void **state)
{
	static const uint8_t seeds[3][32] = { { 1 }, { 2 }, { 3 } };
	const char *error = "";

	(void)state;
	ops = openssl_crypto_ops(&error);
	if (!ops || signing_key_from_seed(seeds[0], &authority) < 0 ||
	    signing_key_from_seed(seeds[1], &stranger) < 0 ||
	    signing_key_from_seed(seeds[2], &alice) < 0 ||
	    pki_make_root(authority, DOMAIN, NOW - 60 * DAY, &entropy, &root) < 0 ||
	    pki_make_root(stranger, DOMAIN, NOW - 60 * DAY, &entropy, &other_root) < 0 ||
	    pki_make_csr(alice, "alice", &request) < 0)
		return -1;
	return issue(ALICE, NOW, SVID_LIFETIME_S, &svid);
}

static int tear_down(void **state)
{
	(void)state;
	buffer_done(&svid);
	buffer_done(&request);
	buffer_done(&other_root);
	buffer_done(&root);
	signing_key_free(alice);
	signing_key_free(stranger);
	signing_key_free(authority);
	return 0;
}

static struct trust some_trust(void)
{
	struct trust t = { .ops = ops, .domain = DOMAIN, .n_roots = 1 };

	t.roots[0] = span_of(&root);
	return t;
}

static enum identity_fault judge(const struct buffer *leaf, int64_t unix_s)
{
	const struct trust t = some_trust();
	const struct span chain = span_of(leaf);
	struct peer_identity peer;

	return trust_verify(&t, &chain, 1, unix_s, &peer);
}

static void sha256_of(const char *text, uint8_t ret[SHA256_LEN])
{
	const struct span part = SPAN(text, strlen(text));

	ops->sha256(&part, 1, ret);
}

static void node_id_and_address_are_the_bytes_of_sha256(void **state)
{
	(void)state;
	uint8_t id_hash[SHA256_LEN];
	uint8_t domain_hash[SHA256_LEN];
	uint8_t address[OVERLAY_ADDRESS_LEN];
	uint64_t node_id = node_id_of(ops, ALICE);

	/* computed with sha256sum: of the ID, and of the domain */
	assert_true(node_id == UINT64_C(0x5aef0270c4dd09ef));
	sha256_of(ALICE, id_hash);
	sha256_of(DOMAIN, domain_hash);
	overlay_address_of(ops, DOMAIN, node_id, address);
	assert_int_equal(address[0], 0xfd);
	assert_memory_equal(address + 1, domain_hash, 5);
	assert_int_equal(address[1] << 8 | address[2], 0x3214);
	assert_int_equal(address[6] | address[7], 0);
	assert_memory_equal(address + 8, id_hash, 8);
}

static void a_fresh_svid_proves_its_node(void **state)
{
	(void)state;
	const struct trust t = some_trust();
	const struct span chain[] = { span_of(&svid), span_of(&root) };
	struct peer_identity peer;
	struct cert leaf;
	uint8_t pk[MLDSA65_PK_LEN];

	assert_int_equal(trust_verify(&t, chain, 1, NOW, &peer), IDENTITY_OK);
	assert_int_equal(ops->cert_read(chain[0], &leaf), 0);
	ops->signing_key_public(alice, pk);
	assert_string_equal(peer.spiffe_id, ALICE);
	assert_string_equal(peer.name, "alice");
	assert_true(peer.node_id == node_id_of(ops, ALICE));
	assert_memory_equal(peer.pk, pk, sizeof(pk));
	assert_memory_equal(peer.serial, leaf.serial, SERIAL_LEN);
	assert_int_equal(peer.not_after_s, NOW + SVID_LIFETIME_S);
	assert_int_equal(trust_verify(&t, chain, 2, NOW, &peer), IDENTITY_OK); /* root sent too */
}

static void dates_are_judged_at_the_second(void **state)
{
	(void)state;
	assert_int_equal(judge(&svid, NOW - PKI_BACKDATE_S - 1), IDENTITY_NOT_YET_VALID);
	assert_int_equal(judge(&svid, NOW - PKI_BACKDATE_S), IDENTITY_OK);
	assert_int_equal(judge(&svid, NOW + SVID_LIFETIME_S - 1), IDENTITY_OK);
	assert_int_equal(judge(&svid, NOW + SVID_LIFETIME_S), IDENTITY_EXPIRED);
}

static void a_wrong_domain_or_name_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *id;
		enum identity_fault fault;
	} cases[] = {
		{ "spiffe://other.mesh/node/alice", IDENTITY_WRONG_DOMAIN },
		{ "spiffe://example.mesh/node/Alice", IDENTITY_SPIFFE_ID },
		{ "spiffe://example.mesh/node/alice/", IDENTITY_SPIFFE_ID },
		{ "spiffe://example.mesh/workload/alice", IDENTITY_SPIFFE_ID },
		{ "spiffe://example.mesh", IDENTITY_SPIFFE_ID },
		{ "https://example.mesh/node/alice", IDENTITY_SPIFFE_ID },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer leaf = { 0 };

		assert_int_equal(issue(cases[i].id, NOW, DAY, &leaf), 0);
		assert_int_equal(judge(&leaf, NOW), cases[i].fault);
		buffer_done(&leaf);
	}
}

static void a_leaf_of_another_root_is_refused_though_the_root_has_the_same_name(void **state)
{
	(void)state;
	const struct svid_terms terms = { ALICE, "alice", NOW, DAY };
	struct trust t = some_trust();
	struct buffer leaf = { 0 };
	struct span chain[2];
	struct peer_identity peer;

	assert_int_equal(pki_issue_svid(stranger, span_of(&other_root), span_of(&request), &terms,
					&entropy, &leaf),
			 0);
	chain[0] = span_of(&leaf);
	chain[1] = span_of(&other_root);
	assert_int_equal(trust_verify(&t, chain, 1, NOW, &peer), IDENTITY_NO_PATH);
	assert_int_equal(trust_verify(&t, chain, 2, NOW, &peer), IDENTITY_NO_PATH);
	t.roots[t.n_roots++] = span_of(&other_root); /* a second generation */
	assert_int_equal(trust_verify(&t, chain, 1, NOW, &peer), IDENTITY_OK);
	t.n_roots = 0;
	assert_int_equal(trust_verify(&t, chain, 1, NOW, &peer), IDENTITY_NO_PATH);
	buffer_done(&leaf);
}

static void a_p256_svid_is_not_for_the_mesh_handshake(void **state)
{
	(void)state;
	const struct svid_terms terms = { ALICE, "alice", NOW, DAY };
	struct signing_key *root_key = NULL;
	struct signing_key *node_key = NULL;
	struct buffer p256_root = { 0 };
	struct buffer csr = { 0 };
	struct buffer leaf = { 0 };
	struct trust t = some_trust();
	struct peer_identity peer;
	struct span chain;

	assert_int_equal(signing_key_new_p256(&root_key), 0);
	assert_int_equal(signing_key_new_p256(&node_key), 0);
	assert_int_equal(pki_make_root(root_key, DOMAIN, NOW, &entropy, &p256_root), 0);
	assert_int_equal(pki_make_csr(node_key, "alice", &csr), 0);
	assert_int_equal(pki_issue_svid(root_key, span_of(&p256_root), span_of(&csr), &terms,
					&entropy, &leaf),
			 0);
	t.roots[t.n_roots++] = span_of(&p256_root);
	chain = span_of(&leaf);
	assert_int_equal(trust_verify(&t, &chain, 1, NOW, &peer), IDENTITY_KEY);
	buffer_done(&leaf);
	buffer_done(&csr);
	buffer_done(&p256_root);
	signing_key_free(node_key);
	signing_key_free(root_key);
}

static void a_ca_is_no_leaf(void **state)
{
	(void)state;
	assert_int_equal(judge(&root, NOW), IDENTITY_IS_CA);
}

/* Alice's SVID with a change, signed anew by the authority: what a careless authority might
 * have issued, and everything but the change is right. */
static void resign(void (*change)(X509 *x), struct buffer *ret)
{
	static const uint8_t rnd[MLDSA65_RND_LEN];
	static uint8_t signature[MLDSA65_SIG_LEN];
	const unsigned char *at = svid.at;
	X509 *x = d2i_X509(NULL, &at, (long)svid.len);
	const ASN1_BIT_STRING *place;
	unsigned char *tbs = NULL;
	unsigned char *der = NULL;
	int len;

	assert_non_null(x);
	change(x);
	len = i2d_re_X509_tbs(x, &tbs);
	assert_true(len > 0);
	assert_int_equal(
		ops->mldsa65_sign(authority, SPAN(tbs, (size_t)len), SPAN(NULL, 0), rnd, signature),
		0);
	X509_get0_signature(&place, NULL, x);
	assert_int_equal(ASN1_STRING_set((ASN1_STRING *)place, signature, sizeof(signature)), 1);
	len = i2d_X509(x, &der);
	assert_true(len > 0);
	ret->at = malloc((size_t)len);
	assert_non_null(ret->at);
	memcpy(ret->at, der, (size_t)len);
	ret->len = (size_t)len;
	OPENSSL_free(der);
	OPENSSL_free(tbs);
	X509_free(x);
}

static void replace(X509 *x, int nid, const char *value)
{
	int at = X509_get_ext_by_NID(x, nid, -1);
	X509_EXTENSION *extension;

	assert_true(at >= 0);
	X509_EXTENSION_free(X509_delete_ext(x, at));
	if (!value)
		return;
	extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(x, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static void nothing(X509 *x)
{
	replace(x, NID_subject_alt_name, "URI:" ALICE);
}

static void two_uris(X509 *x)
{
	replace(x, NID_subject_alt_name, "URI:" ALICE ",URI:spiffe://example.mesh/node/bob");
}

static void the_same_uri_twice(X509 *x)
{
	replace(x, NID_subject_alt_name, "URI:" ALICE ",URI:" ALICE);
}

static void a_dns_name_beside(X509 *x)
{
	replace(x, NID_subject_alt_name, "URI:" ALICE ",DNS:alice.example");
}

static void a_dns_name_only(X509 *x)
{
	replace(x, NID_subject_alt_name, "DNS:alice.example");
}

static void no_names(X509 *x)
{
	replace(x, NID_subject_alt_name, NULL);
}

static void no_key_usage(X509 *x)
{
	replace(x, NID_key_usage, NULL);
}

static void key_agreement_only(X509 *x)
{
	replace(x, NID_key_usage, "critical,keyAgreement");
}

static void crl_signing(X509 *x)
{
	replace(x, NID_key_usage, "critical,digitalSignature,cRLSign");
}

static void certificate_signing(X509 *x)
{
	replace(x, NID_key_usage, "critical,digitalSignature,keyCertSign");
}

static void a_ca_flag(X509 *x)
{
	replace(x, NID_basic_constraints, "critical,CA:TRUE");
}

static void leaves_that_no_authority_should_sign_are_refused(void **state)
{
	(void)state;
	static const struct {
		void (*change)(X509 *x);
		enum identity_fault fault;
	} cases[] = {
		{ nothing, IDENTITY_OK }, /* so the rest fails for its change alone */
		{ two_uris, IDENTITY_NAMES },
		{ the_same_uri_twice, IDENTITY_NAMES },
		{ a_dns_name_beside, IDENTITY_NAMES },
		{ a_dns_name_only, IDENTITY_NAMES },
		{ no_names, IDENTITY_NAMES },
		{ no_key_usage, IDENTITY_KEY_USAGE },
		{ key_agreement_only, IDENTITY_KEY_USAGE },
		{ crl_signing, IDENTITY_KEY_USAGE },
		{ certificate_signing, IDENTITY_IS_CA },
		{ a_ca_flag, IDENTITY_IS_CA },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer leaf = { 0 };

		resign(cases[i].change, &leaf);
		if (judge(&leaf, NOW) != cases[i].fault)
			fail_msg("case %zu: %s", i, identity_fault_text(judge(&leaf, NOW)));
		buffer_done(&leaf);
	}
}

static void a_leaf_never_signs_another(void **state)
{
	(void)state;
	const struct trust t = some_trust();
	struct buffer forged = { 0 };
	struct span chain[2];
	struct peer_identity peer;

	/* alice signs with her own key what says it was signed by the authority */
	struct signing_key *kept = authority;

	authority = alice;
	resign(nothing, &forged);
	authority = kept;
	chain[0] = span_of(&forged);
	chain[1] = span_of(&svid);
	assert_int_equal(trust_verify(&t, chain, 1, NOW, &peer), IDENTITY_NO_PATH);
	assert_int_equal(trust_verify(&t, chain, 2, NOW, &peer), IDENTITY_NO_PATH);
	buffer_done(&forged);
}

static void no_changed_bit_passes(void **state)
{
	(void)state;
	for (size_t i = 0; i < svid.len; i += 97) {
		svid.at[i] ^= 0x04;
		assert_int_not_equal(judge(&svid, NOW), IDENTITY_OK);
		svid.at[i] ^= 0x04;
	}
	assert_int_equal(judge(&svid, NOW), IDENTITY_OK);
}

/* The list signed by the key, in bytes; the caller frees at. */
static struct buffer signed_list(const struct revocation_list *list, const struct signing_key *key)
{
	static const uint8_t rnd[MLDSA65_RND_LEN];
	struct buffer b = { .at = calloc(1, 8192) };
	int len;

	assert_non_null(b.at);
	len = revocation_encode(list, b.at, 4096);
	assert_true(len > 0);
	assert_int_equal(ops->mldsa65_sign(key, SPAN(b.at, (size_t)len),
					   SPAN_STR(REVOCATION_CONTEXT), rnd, b.at + len),
			 0);
	b.len = (size_t)len + MLDSA65_SIG_LEN;
	return b;
}

static void a_leaf_on_a_signed_list_is_revoked(void **state)
{
	(void)state;
	struct trust t = some_trust();
	const struct span chain = span_of(&svid);
	struct revoked entry = { .node_id = node_id_of(ops, ALICE) };
	struct revocation_list list = { .number = 1 };
	struct peer_identity peer;
	struct buffer bytes;

	assert_int_equal(trust_verify(&t, &chain, 1, NOW, &peer), IDENTITY_OK);
	memcpy(entry.serial, peer.serial, SERIAL_LEN);
	assert_int_equal(revocation_add(&list, &entry), 0);
	bytes = signed_list(&list, stranger);
	assert_int_equal(revocation_decode(ops, span_of(&bytes), t.roots, 1, &t.revoked),
			 -EKEYREJECTED);
	buffer_done(&bytes);
	bytes = signed_list(&list, alice);
	assert_int_equal(revocation_decode(ops, span_of(&bytes), &chain, 1, &t.revoked),
			 -EKEYREJECTED); /* even where a leaf stands among the roots */
	buffer_done(&bytes);
	bytes = signed_list(&list, authority);
	assert_int_equal(revocation_decode(ops, span_of(&bytes), t.roots, 1, &t.revoked), 0);
	buffer_done(&bytes);
	assert_int_equal(trust_verify(&t, &chain, 1, NOW, &peer), IDENTITY_REVOKED);
	revocation_done(&t.revoked);
	revocation_done(&list);
}

static void a_join_key_is_hkdf_of_the_secret(void **state)
{
	(void)state;
	uint8_t secret[TOKEN_SECRET_LEN];
	uint8_t expected[SHA256_LEN];
	uint8_t key[SHA256_LEN];

	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (uint8_t)i;
	/* computed with Python's hmac and hashlib */
	assert_int_equal(
		bytes_from_hex("0686858a15224130bfc24304b5eebb225ede7a48561477ebcc70ec6663cebf3f",
			       expected, sizeof(expected)),
		0);
	token_join_key(ops, secret, key);
	assert_memory_equal(key, expected, sizeof(key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(node_id_and_address_are_the_bytes_of_sha256),
		cmocka_unit_test(a_fresh_svid_proves_its_node),
		cmocka_unit_test(dates_are_judged_at_the_second),
		cmocka_unit_test(a_wrong_domain_or_name_is_refused),
		cmocka_unit_test(
			a_leaf_of_another_root_is_refused_though_the_root_has_the_same_name),
		cmocka_unit_test(a_p256_svid_is_not_for_the_mesh_handshake),
		cmocka_unit_test(a_ca_is_no_leaf),
		cmocka_unit_test(leaves_that_no_authority_should_sign_are_refused),
		cmocka_unit_test(a_leaf_never_signs_another),
		cmocka_unit_test(no_changed_bit_passes),
		cmocka_unit_test(a_leaf_on_a_signed_list_is_revoked),
		cmocka_unit_test(a_join_key_is_hkdf_of_the_secret),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
